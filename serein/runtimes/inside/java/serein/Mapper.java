package serein;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Between JSON's values and the types of a handler: beans by their setters and getters, records, collections, scalars.
 * What a bean has no property for is passed over; names that differ only in case are the same.
 */
final class Mapper {
  private static final int DEPTH_MAX = 500;
  private final Map<Class<?>, Map<String, Property>> settable = new HashMap<>();
  private final Map<Class<?>, List<Property>> gettable = new HashMap<>();

  static final class Mismatch extends RuntimeException {
    Mismatch(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private static final class Property {
    final String name;
    final Method method;
    final Field field;
    final Type type;

    Property(String name, Method method, Field field, Type type) {
      this.name = name;
      this.method = method;
      this.field = field;
      this.type = type;
    }
  }

  // From JSON.

  Object read(Object value, Type type) {
    return read(value, type, Map.of());
  }

  private Object read(Object value, Type type, Map<TypeVariable<?>, Type> known) {
    type = resolved(type, known);
    Class<?> raw = raw(type);
    if (raw == Object.class || raw == void.class || raw == Void.class) return value;
    if (value == null) return raw.isPrimitive() ? zero(raw) : raw == Optional.class ? Optional.empty() : null;
    if (raw == Optional.class) return Optional.ofNullable(read(value, argument(type, 0), known));
    if (value instanceof Map) {
      if (Map.class.isAssignableFrom(raw)) return map((Map<?, ?>) value, raw, type, known);
      if (!raw.isArray() && !scalar(raw)) return bean((Map<?, ?>) value, raw, type);
      throw mismatch(raw, "Object value (token `JsonToken.START_OBJECT`)");
    }
    if (value instanceof List) {
      if (raw.isArray()) return array((List<?>) value, raw, type, known);
      if (raw.isAssignableFrom(ArrayList.class) || Collection.class.isAssignableFrom(raw))
        return collection((List<?>) value, raw, type, known);
      throw mismatch(raw, "Array value (token `JsonToken.START_ARRAY`)");
    }
    return scalar(value, raw);
  }

  private Object map(Map<?, ?> value, Class<?> raw, Type type, Map<TypeVariable<?>, Type> known) {
    Map<Object, Object> made;
    if (raw.isAssignableFrom(LinkedHashMap.class)) made = new LinkedHashMap<>();
    else if (raw == SortedMap.class || raw.isAssignableFrom(TreeMap.class)) made = new TreeMap<>();
    else made = cast(make(raw));
    Type keys = argument(type, 0), values = argument(type, 1);
    for (Map.Entry<?, ?> entry : value.entrySet())
      made.put(read(entry.getKey(), keys, known), read(entry.getValue(), values, known));
    return made;
  }

  private Object collection(List<?> value, Class<?> raw, Type type, Map<TypeVariable<?>, Type> known) {
    Collection<Object> made;
    if (raw.isAssignableFrom(ArrayList.class)) made = new ArrayList<>(value.size());
    else if (raw == Set.class || raw == LinkedHashSet.class) made = new LinkedHashSet<>();
    else if (raw == SortedSet.class || raw == TreeSet.class) made = new TreeSet<>();
    else if (raw == Queue.class || raw == Deque.class) made = new ArrayDeque<>();
    else made = cast(make(raw));
    Type elements = argument(type, 0);
    for (Object element : value) made.add(read(element, elements, known));
    return made;
  }

  private Object array(List<?> value, Class<?> raw, Type type, Map<TypeVariable<?>, Type> known) {
    Type element =
        type instanceof GenericArrayType
            ? ((GenericArrayType) type).getGenericComponentType()
            : raw.getComponentType();
    Object made = Array.newInstance(raw(resolved(element, known)), value.size());
    for (int i = 0; i < value.size(); i++) Array.set(made, i, read(value.get(i), element, known));
    return made;
  }

  private Object bean(Map<?, ?> value, Class<?> raw, Type type) {
    Map<TypeVariable<?>, Type> known = variables(type);
    List<Property> components = components(raw);
    if (components != null) return record(value, raw, components, known);
    Object made = make(raw);
    Map<String, Property> properties = settable.computeIfAbsent(raw, Mapper::findSettable);
    for (Map.Entry<?, ?> entry : value.entrySet()) {
      String name = String.valueOf(entry.getKey());
      Property property = properties.get(name);
      if (property == null) property = properties.get("\0" + name.toLowerCase(Locale.ROOT));
      if (property == null) continue;
      Object given;
      try {
        given = read(entry.getValue(), property.type, known);
      } catch (Mismatch e) {
        throw new Mismatch(e.getMessage() + " (through " + raw.getName() + "[\"" + name + "\"])", e);
      }
      try {
        if (property.method != null) property.method.invoke(made, given);
        else property.field.set(made, given);
      } catch (InvocationTargetException e) {
        throw new Mismatch(String.valueOf(e.getCause().getMessage()), e.getCause());
      } catch (IllegalAccessException e) {
        throw new Mismatch(String.valueOf(e.getMessage()), e);
      }
    }
    return made;
  }

  private Object record(Map<?, ?> value, Class<?> raw, List<Property> components, Map<TypeVariable<?>, Type> known) {
    Class<?>[] types = new Class<?>[components.size()];
    Object[] given = new Object[types.length];
    for (int i = 0; i < types.length; i++) {
      Property component = components.get(i);
      types[i] = component.method.getReturnType();
      given[i] = read(value.get(component.name), component.type, known);
    }
    try {
      Constructor<?> constructor = raw.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(given);
    } catch (ReflectiveOperationException e) {
      throw new Mismatch("Cannot construct instance of `" + raw.getName() + "`", e);
    }
  }

  private static Map<String, Property> findSettable(Class<?> raw) {
    Map<String, Property> found = new HashMap<>();
    for (Field field : raw.getFields()) {
      if (!Modifier.isStatic(field.getModifiers()))
        add(found, new Property(field.getName(), null, field, field.getGenericType()));
    }
    for (Method method : raw.getMethods()) {
      if (method.getParameterCount() != 1 || method.isBridge() || Modifier.isStatic(method.getModifiers())) continue;
      if (method.getName().length() < 4 || !method.getName().startsWith("set")) continue;
      method.setAccessible(true);
      String name = decapitalised(method.getName().substring(3));
      add(found, new Property(name, method, null, method.getGenericParameterTypes()[0]));
    }
    return found;
  }

  private static void add(Map<String, Property> found, Property property) {
    found.put(property.name, property);
    found.put("\0" + property.name.toLowerCase(Locale.ROOT), property);
  }

  private static boolean scalar(Class<?> raw) {
    return raw.isPrimitive()
        || raw == String.class
        || raw.isEnum()
        || raw == Boolean.class
        || raw == Character.class
        || Number.class.isAssignableFrom(raw);
  }

  private static Object scalar(Object value, Class<?> raw) {
    String text = String.valueOf(value);
    try {
      if (raw.isInstance(value)) return value;
      if (raw == String.class || raw == CharSequence.class) return text;
      if (raw == boolean.class || raw == Boolean.class) return Boolean.valueOf(text);
      if (raw == char.class || raw == Character.class) return text.charAt(0);
      if (raw == byte[].class) return Base64.getDecoder().decode(text);
      if (raw == ByteBuffer.class) return ByteBuffer.wrap(Base64.getDecoder().decode(text));
      if (raw == BigDecimal.class || raw == Number.class) return new BigDecimal(text);
      if (raw.isEnum()) return constant(raw, text);
      if (raw == Date.class && value instanceof Number) return new Date(((Number) value).longValue());
      if (raw == Date.class) return Date.from(java.time.OffsetDateTime.parse(text).toInstant());
      if (raw == double.class || raw == Double.class) return Double.valueOf(text);
      if (raw == float.class || raw == Float.class) return Float.valueOf(text);
      if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) return whole(text, raw);
    } catch (RuntimeException e) {
      throw mismatch(raw, value instanceof String ? "String \"" + text + "\"" : "value " + text);
    }
    return byFactory(value, text, raw);
  }

  private static Object whole(String text, Class<?> raw) {
    BigInteger value = new BigDecimal(text).toBigInteger();
    if (raw == int.class || raw == Integer.class) return value.intValueExact();
    if (raw == long.class || raw == Long.class) return value.longValueExact();
    if (raw == short.class || raw == Short.class) return value.shortValueExact();
    if (raw == byte.class || raw == Byte.class) return value.byteValueExact();
    if (raw == java.util.concurrent.atomic.AtomicInteger.class)
      return new java.util.concurrent.atomic.AtomicInteger(value.intValueExact());
    if (raw == java.util.concurrent.atomic.AtomicLong.class)
      return new java.util.concurrent.atomic.AtomicLong(value.longValueExact());
    return value;
  }

  private static Object constant(Class<?> raw, String text) {
    for (Object constant : raw.getEnumConstants()) if (((Enum<?>) constant).name().equals(text)) return constant;
    throw new IllegalArgumentException(text);
  }

  /** Types that are made from a text or a number: java.time, UUID, URI, Joda's DateTime and the like. */
  private static Object byFactory(Object value, String text, Class<?> raw) {
    for (String name : new String[] {"parse", "fromString", "valueOf", "of", "forID"}) {
      for (Class<?> parameter : new Class<?>[] {CharSequence.class, String.class}) {
        try {
          Method factory = raw.getMethod(name, parameter);
          if (Modifier.isStatic(factory.getModifiers()) && raw.isAssignableFrom(factory.getReturnType()))
            return factory.invoke(null, text);
        } catch (InvocationTargetException e) {
          throw new Mismatch("Cannot deserialize value of type `" + raw.getName() + "` from \"" + text + "\"", e.getCause());
        } catch (ReflectiveOperationException e) {
          // The next one.
        }
      }
    }
    Class<?>[] parameters = value instanceof Number ? new Class<?>[] {long.class, String.class} : new Class<?>[] {String.class};
    for (Class<?> parameter : parameters) {
      try {
        Object given = parameter == long.class ? (Object) ((Number) value).longValue() : text;
        return raw.getConstructor(parameter).newInstance(given);
      } catch (InvocationTargetException e) {
        throw new Mismatch(String.valueOf(e.getCause().getMessage()), e.getCause());
      } catch (ReflectiveOperationException e) {
        // The next one.
      }
    }
    throw mismatch(raw, value instanceof String ? "String value (token `JsonToken.VALUE_STRING`)" : "value " + text);
  }

  private static Mismatch mismatch(Class<?> raw, String from) {
    return new Mismatch("Cannot deserialize value of type `" + raw.getTypeName() + "` from " + from, null);
  }

  private static Object make(Class<?> raw) {
    try {
      Constructor<?> constructor = raw.getDeclaredConstructor();
      constructor.setAccessible(true);
      return constructor.newInstance();
    } catch (InvocationTargetException e) {
      throw new Mismatch(String.valueOf(e.getCause().getMessage()), e.getCause());
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw new Mismatch(
          "Cannot construct instance of `" + raw.getName() + "` (no Creators, like default constructor, exist)", e);
    }
  }

  private static Object zero(Class<?> raw) {
    return Array.get(Array.newInstance(raw, 1), 0);
  }

  // To JSON.

  Object plain(Object value) {
    return plain(value, 0);
  }

  private Object plain(Object value, int depth) {
    if (depth > DEPTH_MAX) throw new Mismatch("Infinite recursion (StackOverflowError)", null);
    if (value == null || value instanceof String || value instanceof Boolean || value instanceof Number) return value;
    if (value instanceof CharSequence || value instanceof Character) return value.toString();
    if (value instanceof Enum) return ((Enum<?>) value).name();
    if (value instanceof byte[]) return Base64.getEncoder().encodeToString((byte[]) value);
    if (value instanceof ByteBuffer) {
      ByteBuffer copy = ((ByteBuffer) value).duplicate();
      byte[] bytes = new byte[copy.remaining()];
      copy.get(bytes);
      return Base64.getEncoder().encodeToString(bytes);
    }
    if (value instanceof Map) {
      Map<String, Object> made = new LinkedHashMap<>();
      ((Map<?, ?>) value).forEach((k, v) -> made.put(String.valueOf(k), plain(v, depth + 1)));
      return made;
    }
    if (value instanceof Iterable && !(value instanceof java.nio.file.Path)) {
      List<Object> made = new ArrayList<>();
      for (Object element : (Iterable<?>) value) made.add(plain(element, depth + 1));
      return made;
    }
    if (value.getClass().isArray()) {
      List<Object> made = new ArrayList<>();
      for (int i = 0; i < Array.getLength(value); i++) made.add(plain(Array.get(value, i), depth + 1));
      return made;
    }
    if (value instanceof Optional) return plain(((Optional<?>) value).orElse(null), depth + 1);
    if (value instanceof Date) return ((Date) value).getTime();
    String home = value.getClass().getName();
    if (home.startsWith("java.") || home.startsWith("org.joda.time.")) return value.toString();
    Map<String, Object> made = new LinkedHashMap<>();
    for (Property property : gettable.computeIfAbsent(value.getClass(), Mapper::findGettable)) {
      try {
        Object found = property.method != null ? property.method.invoke(value) : property.field.get(value);
        made.put(property.name, plain(found, depth + 1));
      } catch (InvocationTargetException e) {
        throw new Mismatch(String.valueOf(e.getCause().getMessage()), e.getCause());
      } catch (IllegalAccessException e) {
        throw new Mismatch(String.valueOf(e.getMessage()), e);
      }
    }
    return made;
  }

  private static List<Property> findGettable(Class<?> raw) {
    List<Property> components = components(raw);
    if (components != null) return components;
    Map<String, Property> found = new LinkedHashMap<>();
    // In the order of the fields, as far as there are some.
    for (Class<?> type = raw; type != null && type != Object.class; type = type.getSuperclass())
      for (Field field : type.getDeclaredFields()) found.putIfAbsent(field.getName(), null);
    for (Field field : raw.getFields())
      if (!Modifier.isStatic(field.getModifiers()))
        found.put(field.getName(), new Property(field.getName(), null, field, null));
    for (Method method : raw.getMethods()) {
      String name = method.getName();
      int prefix = name.startsWith("get") ? 3 : name.startsWith("is") ? 2 : 0;
      if (prefix == 0 || name.length() == prefix || method.getParameterCount() != 0) continue;
      if (Modifier.isStatic(method.getModifiers()) || method.isBridge() || method.getDeclaringClass() == Object.class) continue;
      if (method.getReturnType() == void.class) continue;
      if (prefix == 2 && method.getReturnType() != boolean.class && method.getReturnType() != Boolean.class) continue;
      method.setAccessible(true);
      String property = decapitalised(name.substring(prefix));
      found.put(property, new Property(property, method, null, null));
    }
    List<Property> properties = new ArrayList<>();
    for (Property property : found.values()) if (property != null) properties.add(property);
    return properties;
  }

  /** A record's components; null for other classes. Records came with Java 16, later than what this is compiled for. */
  private static List<Property> components(Class<?> raw) {
    if (raw.getSuperclass() == null || !raw.getSuperclass().getName().equals("java.lang.Record")) return null;
    try {
      List<Property> found = new ArrayList<>();
      Object[] components = (Object[]) Class.class.getMethod("getRecordComponents").invoke(raw);
      for (Object component : components) {
        Class<?> kind = component.getClass();
        Method accessor = (Method) kind.getMethod("getAccessor").invoke(component);
        accessor.setAccessible(true);
        Type type = (Type) kind.getMethod("getGenericType").invoke(component);
        found.add(new Property((String) kind.getMethod("getName").invoke(component), accessor, null, type));
      }
      return found;
    } catch (ReflectiveOperationException e) {
      throw new Mismatch("Cannot look into " + raw.getName(), e);
    }
  }

  /** As beans' names are read from accessors: leading capitals go to lower case. */
  private static String decapitalised(String name) {
    int end = 0;
    while (end < name.length() && Character.isUpperCase(name.charAt(end))) end++;
    return name.substring(0, end).toLowerCase(Locale.ROOT) + name.substring(end);
  }

  // Types.

  static Class<?> raw(Type type) {
    if (type instanceof Class) return (Class<?>) type;
    if (type instanceof ParameterizedType) return (Class<?>) ((ParameterizedType) type).getRawType();
    if (type instanceof GenericArrayType)
      return Array.newInstance(raw(((GenericArrayType) type).getGenericComponentType()), 0).getClass();
    if (type instanceof WildcardType) return raw(((WildcardType) type).getUpperBounds()[0]);
    if (type instanceof TypeVariable) return raw(((TypeVariable<?>) type).getBounds()[0]);
    return Object.class;
  }

  private static Type resolved(Type type, Map<TypeVariable<?>, Type> known) {
    while (type instanceof TypeVariable && known.containsKey(type)) type = known.get(type);
    return type instanceof WildcardType ? resolved(((WildcardType) type).getUpperBounds()[0], known) : type;
  }

  private static Type argument(Type type, int index) {
    if (type instanceof ParameterizedType) {
      Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
      if (index < arguments.length) return arguments[index];
    }
    return Object.class;
  }

  private static Map<TypeVariable<?>, Type> variables(Type type) {
    if (!(type instanceof ParameterizedType)) return Map.of();
    Map<TypeVariable<?>, Type> known = new HashMap<>();
    TypeVariable<?>[] names = raw(type).getTypeParameters();
    for (int i = 0; i < names.length; i++) known.put(names[i], argument(type, i));
    return known;
  }

  @SuppressWarnings("unchecked")
  private static <T> T cast(Object value) {
    return (T) value;
  }
}
