package serein;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.LinkedHashMap;
import java.util.Map;

/** The context object of one invocation. https://docs.aws.amazon.com/lambda/latest/dg/java-context.html */
final class Facts implements Context {
  private final Map<?, ?> facts;
  private final Log log;

  Facts(Map<?, ?> facts, Log log) {
    this.facts = facts;
    this.log = log;
  }

  @Override
  public String getAwsRequestId() {
    return (String) facts.get("id");
  }

  @Override
  public String getLogGroupName() {
    return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
  }

  @Override
  public String getLogStreamName() {
    return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
  }

  @Override
  public String getFunctionName() {
    return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
  }

  @Override
  public String getFunctionVersion() {
    return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
  }

  @Override
  public String getInvokedFunctionArn() {
    return (String) facts.get("arn");
  }

  @Override
  public int getRemainingTimeInMillis() {
    long deadline = ((Number) facts.get("deadline_ms")).longValue();
    return (int) Math.max(0, deadline - System.currentTimeMillis());
  }

  @Override
  public int getMemoryLimitInMB() {
    return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
  }

  @Override
  public LambdaLogger getLogger() {
    return log;
  }

  @Override
  public String getXrayTraceId() {
    return (String) facts.get("trace");
  }

  @Override
  public CognitoIdentity getIdentity() {
    Map<?, ?> told = told("identity");
    return new CognitoIdentity() {
      @Override
      public String getIdentityId() {
        return text(told, "cognitoIdentityId");
      }

      @Override
      public String getIdentityPoolId() {
        return text(told, "cognitoIdentityPoolId");
      }
    };
  }

  @Override
  public ClientContext getClientContext() {
    if (facts.get("client_context") == null) return null;
    Map<?, ?> told = told("client_context");
    return new ClientContext() {
      @Override
      public Client getClient() {
        return told.get("client") instanceof Map ? new Caller((Map<?, ?>) told.get("client")) : null;
      }

      @Override
      public Map<String, String> getCustom() {
        return texts(told.get("custom"));
      }

      @Override
      public Map<String, String> getEnvironment() {
        return texts(told.get("env"));
      }
    };
  }

  private Map<?, ?> told(String name) {
    Object text = facts.get(name);
    Object value = text == null ? null : Json.parse((String) text);
    return value instanceof Map ? (Map<?, ?>) value : Map.of();
  }

  private static String text(Map<?, ?> told, String name) {
    Object value = told.get(name);
    return value == null ? null : value.toString();
  }

  private static Map<String, String> texts(Object told) {
    if (!(told instanceof Map)) return null;
    Map<String, String> found = new LinkedHashMap<>();
    ((Map<?, ?>) told).forEach((k, v) -> found.put(String.valueOf(k), v == null ? null : v.toString()));
    return found;
  }

  private static final class Caller implements Client {
    private final Map<?, ?> told;

    Caller(Map<?, ?> told) {
      this.told = told;
    }

    @Override
    public String getInstallationId() {
      return text(told, "installation_id");
    }

    @Override
    public String getAppTitle() {
      return text(told, "app_title");
    }

    @Override
    public String getAppVersionName() {
      return text(told, "app_version_name");
    }

    @Override
    public String getAppVersionCode() {
      return text(told, "app_version_code");
    }

    @Override
    public String getAppPackageName() {
      return text(told, "app_package_name");
    }
  }
}
