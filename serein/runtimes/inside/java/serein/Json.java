package serein;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON text to maps, lists, texts, numbers (int, long, BigInteger or double), booleans and null. */
final class Json {
  static final int DEPTH_MAX = 1000;

  private final String text;
  private int at;
  private int depth;

  private Json(String text) {
    this.text = text;
  }

  static final class Malformed extends RuntimeException {
    Malformed(String message) {
      super(message);
    }
  }

  static Object parse(byte[] data) {
    return parse(new String(data, StandardCharsets.UTF_8));
  }

  static Object parse(String text) {
    Json json = new Json(text);
    json.skip();
    Object value = json.value();
    json.skip();
    if (json.at < text.length()) throw json.unexpected();
    return value;
  }

  private Object value() {
    if (at >= text.length()) throw new Malformed("Unexpected end-of-input");
    char c = text.charAt(at);
    switch (c) {
      case '{':
        return object();
      case '[':
        return array();
      case '"':
        return string();
      case 't':
        return word("true", Boolean.TRUE);
      case 'f':
        return word("false", Boolean.FALSE);
      case 'n':
        return word("null", null);
      default:
        if (c == '-' || (c >= '0' && c <= '9')) return number();
        throw unexpected();
    }
  }

  private Map<String, Object> object() {
    Map<String, Object> found = new LinkedHashMap<>();
    enter();
    if (peek() == '}') {
      leave();
      return found;
    }
    while (true) {
      if (peek() != '"') throw unexpected();
      String name = string();
      if (peek() != ':') throw unexpected();
      at++;
      skip();
      found.put(name, value());
      char next = peek();
      if (next == '}') {
        leave();
        return found;
      }
      if (next != ',') throw unexpected();
      at++;
      skip();
    }
  }

  private List<Object> array() {
    List<Object> found = new ArrayList<>();
    enter();
    if (peek() == ']') {
      leave();
      return found;
    }
    while (true) {
      skip();
      found.add(value());
      char next = peek();
      if (next == ']') {
        leave();
        return found;
      }
      if (next != ',') throw unexpected();
      at++;
    }
  }

  private void enter() {
    if (++depth > DEPTH_MAX) throw new Malformed("Document nesting depth exceeds " + DEPTH_MAX);
    at++;
    skip();
  }

  private void leave() {
    depth--;
    at++;
  }

  private char peek() {
    skip();
    return at < text.length() ? text.charAt(at) : '\0';
  }

  private void skip() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
  }

  private Object word(String word, Object value) {
    if (!text.startsWith(word, at)) throw unexpected();
    at += word.length();
    return value;
  }

  private String string() {
    int start = ++at;
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c == '"') return text.substring(start, at++);
      if (c == '\\') return escaped(start);
      at++;
    }
    throw new Malformed("Unexpected end-of-input in a text");
  }

  private String escaped(int start) {
    StringBuilder built = new StringBuilder(text.substring(start, at));
    while (at < text.length()) {
      char c = text.charAt(at++);
      if (c == '"') return built.toString();
      if (c != '\\') {
        built.append(c);
        continue;
      }
      if (at >= text.length()) break;
      char escape = text.charAt(at++);
      int index = "\"\\/bfnrt".indexOf(escape);
      if (index >= 0) built.append("\"\\/\b\f\n\r\t".charAt(index));
      else if (escape == 'u' && at + 4 <= text.length()) {
        try {
          built.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
        } catch (NumberFormatException e) {
          throw unexpected();
        }
        at += 4;
      } else throw unexpected();
    }
    throw new Malformed("Unexpected end-of-input in a text");
  }

  private Number number() {
    int start = at;
    boolean whole = true;
    while (at < text.length()) {
      char c = text.charAt(at);
      if (c == '.' || c == 'e' || c == 'E' || (c == '+' && at > start)) whole = false;
      else if (!(c >= '0' && c <= '9') && c != '-') break;
      at++;
    }
    String digits = text.substring(start, at);
    try {
      if (!whole) return Double.valueOf(digits);
      if (digits.length() < 10) return Integer.valueOf(digits);
      if (digits.length() < 19) {
        long value = Long.parseLong(digits);
        if (value == (int) value) return (int) value;
        return value;
      }
      BigInteger value = new BigInteger(digits);
      if (value.bitLength() < 64) return value.longValue();
      return value;
    } catch (NumberFormatException e) {
      at = start;
      throw unexpected();
    }
  }

  private Malformed unexpected() {
    if (at >= text.length()) return new Malformed("Unexpected end-of-input");
    return new Malformed("Unexpected character ('" + text.charAt(at) + "') at offset " + at);
  }

  // Writing, of the same things.

  static void write(Object value, StringBuilder out) {
    if (value == null) out.append("null");
    else if (value instanceof String) quote((String) value, out);
    else if (value instanceof Map) {
      String before = "{";
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
        out.append(before);
        quote(String.valueOf(entry.getKey()), out);
        out.append(':');
        write(entry.getValue(), out);
        before = ",";
      }
      out.append(before.equals("{") ? "{}" : "}");
    } else if (value instanceof Iterable) {
      String before = "[";
      for (Object element : (Iterable<?>) value) {
        out.append(before);
        write(element, out);
        before = ",";
      }
      out.append(before.equals("[") ? "[]" : "]");
    } else if (value instanceof Double && !Double.isFinite((Double) value)) {
      quote(value.toString(), out);
    } else if (value instanceof BigDecimal) out.append(((BigDecimal) value).toString());
    else out.append(value);
  }

  static void quote(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      int index = "\"\\\b\f\n\r\t".indexOf(c);
      if (index >= 0) out.append('\\').append("\"\\bfnrt".charAt(index));
      else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    out.append('"');
  }
}
