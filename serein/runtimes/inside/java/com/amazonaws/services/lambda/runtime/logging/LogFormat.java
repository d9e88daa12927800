// What functions are written against: the names and signatures of aws-lambda-java-core.
// https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html
package com.amazonaws.services.lambda.runtime.logging;

public enum LogFormat {
  JSON,
  TEXT;

  public static LogFormat fromString(String logFormat) {
    try {
      return LogFormat.valueOf(logFormat.toUpperCase());
    } catch (Exception e) {
      throw new IllegalArgumentException("Invalid log format: " + logFormat);
    }
  }
}
