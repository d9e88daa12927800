// A handler that only bootstrap.mjs runs: what a first invocation sets up is set up before it.
export const handler = async (event, context) => {
  context.getRemainingTimeInMillis();
  return { ...event, id: context.awsRequestId };
};
