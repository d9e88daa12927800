// What functions are written against: the names and signatures of aws-lambda-java-core.
// https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html
package com.amazonaws.services.lambda.runtime;

public final class LambdaRuntimeInternal {
  private static boolean useLog4jAppender;

  private LambdaRuntimeInternal() {}

  public static void setUseLog4jAppender(boolean wanted) {
    useLog4jAppender = wanted;
  }

  public static boolean getUseLog4jAppender() {
    return useLog4jAppender;
  }
}
