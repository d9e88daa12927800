package serein;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** What `package.Class` or `package.Class::method` names. */
final class Handler {
  private static final byte[] NOTHING = "null".getBytes(StandardCharsets.UTF_8);
  private final Mapper mapper = new Mapper();
  private Object instance;
  private Method method;
  private Type input;
  private boolean streams;

  static Handler load(String name, ClassLoader loader) throws Failure {
    int colons = name.indexOf("::");
    String className = colons < 0 ? name : name.substring(0, colons);
    String methodName = colons < 0 ? null : name.substring(colons + 2);
    Class<?> type;
    try {
      type = Class.forName(className, true, loader);
    } catch (ClassNotFoundException e) {
      throw new Failure("Class not found: " + className, "java.lang.ClassNotFoundException", e);
    } catch (ExceptionInInitializerError e) {
      throw thrown(e.getCause() == null ? e : e.getCause());
    } catch (LinkageError e) {
      throw new Failure("Error loading class " + className + ": " + e.getMessage(), null, e);
    }
    Handler handler = new Handler();
    handler.choose(type, methodName);
    return handler;
  }

  private static Failure thrown(Throwable error) {
    return Failure.of(error);
  }

  private void choose(Class<?> type, String name) throws Failure {
    boolean byName = name == null || name.equals("handleRequest");
    if (byName && RequestStreamHandler.class.isAssignableFrom(type)) {
      method = findMethod(type, "handleRequest", InputStream.class, OutputStream.class, Context.class);
      streams = true;
    } else if (byName && RequestHandler.class.isAssignableFrom(type)) {
      method = findMethod(RequestHandler.class, "handleRequest", Object.class, Context.class);
      input = inputOf(type);
    } else if (name == null) {
      throw new Failure("Class does not implement an appropriate handler interface: " + type.getName(), null, null);
    } else {
      bestOverload(type, name);
    }
    if (!Modifier.isStatic(method.getModifiers())) instance = instantiate(type);
    method.setAccessible(true);
  }

  private static Method findMethod(Class<?> type, String name, Class<?>... parameters) throws Failure {
    try {
      return type.getMethod(name, parameters);
    } catch (NoSuchMethodException e) {
      throw unfound(type, name);
    }
  }

  private static Failure unfound(Class<?> type, String name) {
    String words = "No public method named %s with appropriate method signature found on class %s";
    return new Failure(String.format(words, name, type.getName()), null, null);
  }

  /** Of methods with the same name the one with most parameters, with the context before one without. */
  private void bestOverload(Class<?> type, String name) throws Failure {
    int best = -1;
    for (Method candidate : type.getMethods()) {
      if (!candidate.getName().equals(name) || candidate.isBridge() || candidate.isSynthetic()) continue;
      Class<?>[] given = candidate.getParameterTypes();
      int count = given.length;
      boolean hasContext = count > 0 && Context.class.isAssignableFrom(given[count - 1]);
      int others = hasContext ? count - 1 : count;
      boolean stream = others == 2 && given[0] == InputStream.class && given[1] == OutputStream.class;
      if (others > 1 && !stream) continue;
      int rank = count * 2 + (hasContext ? 1 : 0);
      if (rank <= best) continue;
      best = rank;
      method = candidate;
      streams = stream;
      input = others == 1 ? candidate.getGenericParameterTypes()[0] : null;
    }
    if (best < 0) throw unfound(type, name);
  }

  private static Object instantiate(Class<?> type) throws Failure {
    try {
      return type.getConstructor().newInstance();
    } catch (NoSuchMethodException e) {
      String words = "Class " + type.getName() + " has no public zero-argument constructor";
      throw new Failure(words, "java.lang.NoSuchMethodException", e);
    } catch (InstantiationException e) {
      throw new Failure(type.getName() + " is abstract and cannot be instantiated", "java.lang.InstantiationException", e);
    } catch (InvocationTargetException e) {
      throw thrown(e.getCause());
    } catch (IllegalAccessException e) {
      throw new Failure("Class " + type.getName() + " cannot be accessed", "java.lang.IllegalAccessException", e);
    }
  }

  /** The first type argument that a class, by whatever way, gives to RequestHandler. */
  private static Type inputOf(Class<?> type) {
    Type found = search(type, new HashMap<>());
    return found == null ? Object.class : found;
  }

  private static Type search(Type type, Map<TypeVariable<?>, Type> known) {
    if (type == null) return null;
    Class<?> raw = Mapper.raw(type);
    if (type instanceof ParameterizedType) {
      Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
      TypeVariable<?>[] names = raw.getTypeParameters();
      for (int i = 0; i < names.length; i++) known.put(names[i], known.getOrDefault(arguments[i], arguments[i]));
    }
    if (raw == RequestHandler.class) {
      Type given = known.get(RequestHandler.class.getTypeParameters()[0]);
      return given instanceof TypeVariable ? Mapper.raw(given) : given;
    }
    for (Type parent : raw.getGenericInterfaces()) {
      Type found = search(parent, known);
      if (found != null) return found;
    }
    return search(raw.getGenericSuperclass(), known);
  }

  byte[] call(byte[] payload, Context context) throws Failure {
    if (streams) {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      InputStream in = new ByteArrayInputStream(payload);
      invoke(method.getParameterCount() == 3 ? new Object[] {in, out, context} : new Object[] {in, out});
      return out.toByteArray();
    }
    Object event = null;
    if (input == InputStream.class) event = new ByteArrayInputStream(payload);
    else if (input != null) event = parsed(payload);
    Object answer;
    if (input == null) answer = invoke(method.getParameterCount() == 1 ? new Object[] {context} : new Object[0]);
    else answer = invoke(method.getParameterCount() == 2 ? new Object[] {event, context} : new Object[] {event});
    return method.getReturnType() == void.class ? NOTHING : serialized(answer);
  }

  private Object parsed(byte[] payload) throws Failure {
    try {
      return mapper.read(Json.parse(payload), input);
    } catch (RuntimeException | LinkageError e) {
      throw Failure.parsing(e);
    }
  }

  private byte[] serialized(Object answer) throws Failure {
    try {
      StringBuilder text = new StringBuilder();
      Json.write(mapper.plain(answer), text);
      return text.toString().getBytes(StandardCharsets.UTF_8);
    } catch (RuntimeException | LinkageError e) {
      throw Failure.serialization(e);
    }
  }

  private Object invoke(Object[] arguments) throws Failure {
    try {
      return method.invoke(instance, arguments);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof VirtualMachineError) throw (VirtualMachineError) e.getCause();
      throw thrown(e.getCause());
    } catch (IllegalAccessException | IllegalArgumentException e) {
      throw thrown(e);
    }
  }
}
