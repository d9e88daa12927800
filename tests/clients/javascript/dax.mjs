// Amazon's DAX client for JavaScript (v3) against the cluster whose endpoint is given. Exits 0 when all is as DynamoDB would have it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
const require = createRequire(process.env.SEREIN_NODE_MODULES + "/");
const { DaxDocument } = require("@amazon-dax-sdk/lib-dax");
const TableName = "daxjs";
const dax = new DaxDocument({
  endpoint: process.argv[2],
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
const item = { p: "a", n: 5, f: 1.5, l: [1, "x", { y: true }], s: new Set(["q", "r"]), z: null };

async function failing(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

async function items() {
  await dax.put({ TableName, Item: item });
  assert.deepEqual((await dax.get({ TableName, Key: { p: "a" } })).Item, item);
  const projected = await dax.get({
    TableName,
    Key: { p: "a" },
    ProjectionExpression: "l[2].y, #f",
    ExpressionAttributeNames: { "#f": "f" },
  });
  assert.deepEqual(projected.Item, { l: [{ y: true }], f: 1.5 });
  const updated = await dax.update({
    TableName,
    Key: { p: "a" },
    UpdateExpression: "SET n = n + :o",
    ExpressionAttributeValues: { ":o": 2 },
    ReturnValues: "ALL_NEW",
  });
  assert.deepEqual(updated.Attributes, { ...item, n: 7 });
  const found = await dax.query({
    TableName,
    KeyConditionExpression: "p = :p",
    FilterExpression: "n > :z AND (attribute_exists(f) OR contains(s, :q))",
    ExpressionAttributeValues: { ":p": "a", ":z": 1, ":q": "q" },
  });
  assert.deepEqual(found.Items, [{ ...item, n: 7 }]);
  assert.equal((await dax.scan({ TableName })).Count, 1);
}

async function batchesAndTransactions() {
  const puts = [{ p: "b", v: 1 }, { p: "c" }].map((Item) => ({ PutRequest: { Item } }));
  assert.deepEqual((await dax.batchWrite({ RequestItems: { [TableName]: puts } })).UnprocessedItems, {});
  const got = await dax.batchGet({ RequestItems: { [TableName]: { Keys: [{ p: "b" }, { p: "none" }] } } });
  assert.deepEqual(got.Responses[TableName], [{ p: "b", v: 1 }]);
  await dax.transactWrite({
    TransactItems: [{ Put: { TableName, Item: { p: "t", v: 1 } } }, { Delete: { TableName, Key: { p: "b" } } }],
  });
  const read = await dax.transactGet({
    TransactItems: [{ Get: { TableName, Key: { p: "t" } } }, { Get: { TableName, Key: { p: "b" } } }],
  });
  assert.deepEqual(read.Responses, [{ Item: { p: "t", v: 1 } }, {}]);
}

async function errors() {
  const condition = { ConditionExpression: "attribute_not_exists(p)" };
  const put = { TableName, Item: { p: "t", v: 2 }, ...condition };
  const cancelled = await failing(
    dax.transactWrite({ TransactItems: [{ Put: { ...put, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } }] }),
  );
  assert.equal(cancelled.code, "TransactionCanceledException");
  assert.deepEqual(cancelled.cancellationReasons, [
    { Code: "ConditionalCheckFailed", Message: "The conditional request failed", Item: { p: { S: "t" }, v: { N: "1" } } },
  ]);
  assert.equal((await failing(dax.put(put))).code, "ConditionalCheckFailedException");
  assert.equal((await failing(dax.get({ TableName: "nonesuch", Key: { p: "t" } }))).code, "ResourceNotFoundException");
}

await items();
await batchesAndTransactions();
await errors();
process.exit(0);
