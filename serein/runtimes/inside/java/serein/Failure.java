package serein;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** How what went wrong is answered and logged. https://docs.aws.amazon.com/lambda/latest/dg/java-exceptions.html */
final class Failure extends Exception {
  private static final int CAUSES_MAX = 20;
  private final String type;
  final Throwable error;

  /** An error of the runtime's own; `type` may be null. */
  Failure(String message, String type, Throwable error) {
    super(message, error);
    this.type = type;
    this.error = error;
  }

  /** What a handler threw. */
  static Failure of(Throwable error) {
    if (error instanceof Failure) return (Failure) error;
    return new Failure(error.getMessage(), error.getClass().getName(), error);
  }

  static Failure parsing(Throwable cause) {
    RuntimeException error = new RuntimeException("An error occurred during JSON parsing", cause);
    error.setStackTrace(new StackTraceElement[0]);
    return of(error);
  }

  static Failure serialization(Throwable cause) {
    RuntimeException error =
        new RuntimeException("An error occurred during JSON serialization of response", cause);
    error.setStackTrace(new StackTraceElement[0]);
    return of(error);
  }

  Map<String, Object> payload() {
    if (error != null) {
      Map<String, Object> told = told(error, 0);
      told.put("errorMessage", getMessage());
      return told;
    }
    Map<String, Object> told = new LinkedHashMap<>();
    told.put("errorMessage", getMessage());
    if (type != null) told.put("errorType", type);
    return told;
  }

  private static Map<String, Object> told(Throwable error, int depth) {
    Map<String, Object> told = new LinkedHashMap<>();
    told.put("errorMessage", error.getMessage());
    told.put("errorType", error.getClass().getName());
    List<String> trace = new ArrayList<>();
    for (StackTraceElement element : own(error)) trace.add(element.toString());
    told.put("stackTrace", trace);
    if (error.getCause() != null && error.getCause() != error && depth < CAUSES_MAX)
      told.put("cause", told(error.getCause(), depth + 1));
    return told;
  }

  /** The stack down to where the function was called from. */
  private static List<StackTraceElement> own(Throwable error) {
    List<StackTraceElement> found = new ArrayList<>();
    for (StackTraceElement element : error.getStackTrace()) {
      if (element.getClassName().startsWith("serein.")) break;
      found.add(element);
    }
    while (!found.isEmpty() && isReflection(found.get(found.size() - 1).getClassName()))
      found.remove(found.size() - 1);
    return found;
  }

  private static boolean isReflection(String name) {
    return name.startsWith("jdk.internal.reflect.") || name.startsWith("java.lang.reflect.") || name.startsWith("java.lang.invoke.");
  }

  /** For the log: the message and the type, then the stack with its causes. */
  String logged() {
    StringBuilder text = new StringBuilder();
    text.append(getMessage());
    if (type != null) text.append(": ").append(type);
    text.append('\n');
    String before = "";
    Throwable shown = error;
    for (int i = 0; shown != null && i < CAUSES_MAX; i++) {
      text.append(before).append(shown).append('\n');
      for (StackTraceElement element : own(shown)) text.append("\tat ").append(element).append('\n');
      before = "Caused by: ";
      shown = shown.getCause() == shown ? null : shown.getCause();
    }
    return error == null ? text.toString() : text.append('\n').toString();
  }
}
