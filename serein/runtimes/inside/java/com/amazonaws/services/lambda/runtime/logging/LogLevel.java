// What functions are written against: the names and signatures of aws-lambda-java-core.
// https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html
package com.amazonaws.services.lambda.runtime.logging;

public enum LogLevel {
  UNDEFINED,
  TRACE,
  DEBUG,
  INFO,
  WARN,
  ERROR,
  FATAL;

  public static LogLevel fromString(String logLevel) {
    try {
      return LogLevel.valueOf(logLevel.toUpperCase());
    } catch (Exception e) {
      throw new IllegalArgumentException(
          "Invalid log level: '" + logLevel + "' expected one of [TRACE, DEBUG, INFO, WARN, ERROR, FATAL]");
    }
  }
}
