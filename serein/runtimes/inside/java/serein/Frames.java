package serein;

import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The channel to the pool: a socket that this program was started with in place of its standard input. */
final class Frames {
  static final int INVOKE = 2;
  static final int READY = 11;
  static final int RESULT = 12;
  static final int ERROR = 13;
  static final int INIT_ERROR = 14;

  private static final int HEADER_BYTES = 16;
  private final FileInputStream in = new FileInputStream(FileDescriptor.in);
  private final FileOutputStream out = new FileOutputStream(FileDescriptor.in);
  private final byte[] held = new byte[65_536];
  private int from;
  private int until;
  private RandomAccessFile status;

  static final class Frame {
    int kind;
    byte[] meta;
    byte[] body;
  }

  /** The next frame; null when the pool is gone. */
  Frame receive() throws IOException {
    Frame frame = new Frame();
    byte[] header = new byte[HEADER_BYTES];
    try {
      fill(header);
      ByteBuffer numbers = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
      frame.kind = numbers.getInt();
      frame.meta = new byte[numbers.getInt()];
      frame.body = new byte[numbers.getInt()];
      fill(frame.meta);
      fill(frame.body);
    } catch (EOFException e) {
      return null;
    }
    return frame;
  }

  private void fill(byte[] target) throws IOException {
    int at = 0;
    while (at < target.length) {
      if (from < until) {
        int size = Math.min(until - from, target.length - at);
        System.arraycopy(held, from, target, at, size);
        from += size;
        at += size;
        continue;
      }
      boolean direct = target.length - at >= held.length;
      int got = direct ? in.read(target, at, target.length - at) : in.read(held, 0, held.length);
      if (got < 0) throw new EOFException();
      if (direct) at += got;
      else {
        from = 0;
        until = got;
      }
    }
  }

  void send(int kind, byte[] body) throws IOException {
    ByteBuffer data = ByteBuffer.allocate(HEADER_BYTES + body.length).order(ByteOrder.LITTLE_ENDIAN);
    data.putInt(kind).putInt(0).putInt(body.length).putInt(peakKib()).put(body);
    out.write(data.array());
  }

  /** The most memory that this process had, KiB. */
  private int peakKib() {
    try {
      if (status == null) status = new RandomAccessFile("/proc/self/status", "r");
      byte[] data = new byte[2048];
      status.seek(0);
      int size = status.read(data);
      String text = new String(data, 0, Math.max(0, size), StandardCharsets.US_ASCII);
      int at = text.indexOf("VmHWM:");
      if (at < 0) return 0;
      String[] words = text.substring(at + 6, text.indexOf('\n', at)).trim().split(" ");
      return Integer.parseInt(words[0]);
    } catch (IOException | RuntimeException e) {
      return 0;
    }
  }

  static byte[] bytes(StringBuilder text, int most) {
    byte[] all = text.toString().getBytes(StandardCharsets.UTF_8);
    return all.length <= most ? all : Arrays.copyOf(all, most);
  }
}
