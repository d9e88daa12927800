package serein;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Map;

/** The function's log: one event for each message, however many lines it has. */
final class Log implements LambdaLogger {
  private static final DateTimeFormatter MOMENT =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

  private final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
  private final boolean json = "JSON".equals(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
  private final LogLevel least = level();
  String requestId;

  private static LogLevel level() {
    try {
      return LogLevel.fromString(System.getenv("AWS_LAMBDA_LOG_LEVEL"));
    } catch (RuntimeException e) {
      return LogLevel.UNDEFINED;
    }
  }

  @Override
  public void log(String message) {
    log(message, LogLevel.UNDEFINED);
  }

  @Override
  public void log(byte[] message) {
    log(message, LogLevel.UNDEFINED);
  }

  @Override
  public void log(byte[] message, LogLevel level) {
    log(message == null ? null : new String(message, StandardCharsets.UTF_8), level);
  }

  @Override
  public void log(String message, LogLevel level) {
    if (json && level != LogLevel.UNDEFINED && level.ordinal() < least.ordinal()) return;
    if (!json) {
      write(level == LogLevel.UNDEFINED ? String.valueOf(message) : "[" + level + "] " + message);
      return;
    }
    Map<String, Object> told = new LinkedHashMap<>();
    told.put("timestamp", MOMENT.format(Instant.now()));
    told.put("message", message);
    told.put("level", level.name());
    if (requestId != null) told.put("AWSRequestId", requestId);
    StringBuilder text = new StringBuilder();
    Json.write(told, text);
    write(text.append('\n').toString());
  }

  private synchronized void write(String message) {
    byte[] text = message.getBytes(StandardCharsets.UTF_8);
    ByteBuffer data = ByteBuffer.allocate(16 + text.length);
    data.putInt(0xa55a0003).putInt(text.length).putLong(System.currentTimeMillis() * 1000).put(text);
    try {
      System.out.flush();
      out.write(data.array());
    } catch (IOException e) {
      // Nobody reads it any more.
    }
  }
}
