package serein;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** The Java runtime: loads the handler, answers one event after the other. The program's argument is the handler's name. */
public final class Main {
  private static final int RESPONSE_BYTES_MAX = 6_291_556;

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Frames channel = new Frames();
    System.setIn(InputStream.nullInputStream());
    Log log = new Log();
    String task = System.getenv("LAMBDA_TASK_ROOT");
    ClassLoader loader = loader(task, System.getProperty("serein.opt", "/opt"));
    Thread.currentThread().setContextClassLoader(loader);
    Handler handler;
    try {
      handler = Handler.load(arguments[arguments.length - 1], loader);
    } catch (Failure failure) {
      tell(channel, log, Frames.INIT_ERROR, failure);
      return;
    } catch (StackOverflowError error) {
      tell(channel, log, Frames.INIT_ERROR, Failure.of(error));
      return;
    }
    System.out.flush();
    channel.send(Frames.READY, new byte[0]);
    while (true) {
      Frames.Frame frame = channel.receive();
      if (frame == null) System.exit(0);
      if (frame.kind == Frames.INVOKE) answer(channel, log, handler, frame);
    }
  }

  private static void answer(Frames channel, Log log, Handler handler, Frames.Frame frame) throws IOException {
    Map<?, ?> facts = (Map<?, ?>) Json.parse(frame.meta);
    log.requestId = (String) facts.get("id");
    String trace = (String) facts.get("trace");
    // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html: Java has it as a property.
    if (trace == null) System.clearProperty("com.amazonaws.xray.traceHeader");
    else System.setProperty("com.amazonaws.xray.traceHeader", trace);
    byte[] body;
    try {
      body = handler.call(frame.body, new Facts(facts, log));
    } catch (Failure failure) {
      tell(channel, log, Frames.ERROR, failure);
      return;
    } catch (StackOverflowError error) {
      tell(channel, log, Frames.ERROR, Failure.of(error));
      return;
    } catch (OutOfMemoryError error) {
      tell(channel, log, Frames.ERROR, Failure.of(error));
      // Nothing can be relied upon any more.
      Runtime.getRuntime().halt(1);
      return;
    }
    System.out.flush();
    if (body.length <= RESPONSE_BYTES_MAX) {
      channel.send(Frames.RESULT, body);
      return;
    }
    String words = "Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).";
    StringBuilder text = new StringBuilder("{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":");
    Json.quote(String.format(words, body.length, RESPONSE_BYTES_MAX), text);
    channel.send(Frames.ERROR, text.append('}').toString().getBytes(StandardCharsets.UTF_8));
  }

  private static void tell(Frames channel, Log log, int kind, Failure failure) throws IOException {
    log.log(failure.logged());
    StringBuilder text = new StringBuilder();
    Json.write(failure.payload(), text);
    channel.send(kind, Frames.bytes(text, RESPONSE_BYTES_MAX));
  }

  /** The function's classes, its libraries, its layers' libraries: in this order. */
  private static ClassLoader loader(String task, String opt) throws MalformedURLException {
    List<URL> places = new ArrayList<>();
    places.add(new File(task).toURI().toURL());
    for (String folder : new String[] {task + "/lib", opt + "/java/lib"}) {
      File[] files = new File(folder).listFiles((place, name) -> name.endsWith(".jar"));
      if (files == null) continue;
      Arrays.sort(files);
      for (File file : files) places.add(file.toURI().toURL());
    }
    return new URLClassLoader(places.toArray(new URL[0]), Main.class.getClassLoader());
  }
}
