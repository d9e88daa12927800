// What functions are written against: the names and signatures of aws-lambda-java-core.
// https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html
package com.amazonaws.services.lambda.runtime;

import com.amazonaws.services.lambda.runtime.logging.LogLevel;

public interface LambdaLogger {
  void log(String message);

  void log(byte[] message);

  default void log(String message, LogLevel logLevel) {
    log(message);
  }

  default void log(byte[] message, LogLevel logLevel) {
    log(message);
  }
}
