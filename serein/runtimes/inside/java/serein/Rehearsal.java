package serein;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;
import java.util.Map;

/** A function that does what functions mostly do, so that the classes for it are in the archive. */
public final class Rehearsal implements RequestHandler<Rehearsal.Event, Object> {
  public static final class Event {
    private String name;
    private List<Object> values;
    private Map<String, String> more;

    public void setName(String name) {
      this.name = name;
    }

    public String getName() {
      return name;
    }

    public void setValues(List<Object> values) {
      this.values = values;
    }

    public List<Object> getValues() {
      return values;
    }

    public void setMore(Map<String, String> more) {
      this.more = more;
    }

    public Map<String, String> getMore() {
      return more;
    }
  }

  @Override
  public Object handleRequest(Event event, Context context) {
    context.getLogger().log("name: " + event.getName());
    System.out.println(context.getRemainingTimeInMillis());
    if (context.getIdentity().getIdentityId() != null) throw new IllegalStateException("somebody");
    return Map.of("event", event, "list", List.of(1, 2.5));
  }
}
