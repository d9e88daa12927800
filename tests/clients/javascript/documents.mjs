// The document client of the SDK for JavaScript (v3): pages, batches, transactions, PartiQL. Exits 0 when all is as AWS would have it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
const require = createRequire(process.env.SEREIN_NODE_MODULES + "/");
const ddblib = require("@aws-sdk/client-dynamodb");
const doclib = require("@aws-sdk/lib-dynamodb");
async function documents() {
  const client = new ddblib.DynamoDBClient({});
  const documents = doclib.DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true }, unmarshallOptions: { wrapNumbers: (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : text) } });
  const TableName = "documents";
  await client.send(new ddblib.CreateTableCommand({
    TableName, BillingMode: "PAY_PER_REQUEST",
    KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
    AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }, { AttributeName: "sk", AttributeType: "N" }, { AttributeName: "kind", AttributeType: "S" }],
    GlobalSecondaryIndexes: [{ IndexName: "by-kind", KeySchema: [{ AttributeName: "kind", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }], Projection: { ProjectionType: "ALL" } }],
  }));
  await ddblib.waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1 }, { TableName });
  const rows = Array.from({ length: 25 }, (_, n) => ({ pk: "a", sk: n, kind: n % 2 ? "odd" : "even", filler: "x".repeat(100) }));
  const written = await documents.send(new doclib.BatchWriteCommand({ RequestItems: { [TableName]: rows.map((Item) => ({ PutRequest: { Item } })) } }));
  assert.deepEqual(written.UnprocessedItems, {});
  const found = [];
  const pages = doclib.paginateQuery({ client: documents, pageSize: 4 }, {
    TableName, IndexName: "by-kind", KeyConditionExpression: "kind = :k AND sk < :m", ExpressionAttributeValues: { ":k": "odd", ":m": 20 }, ScanIndexForward: false,
  });
  for await (const page of pages) found.push(...page.Items.map((item) => item.sk));
  assert.deepEqual(found, [19, 17, 15, 13, 11, 9, 7, 5, 3, 1]);
  let scanned = 0;
  for await (const page of doclib.paginateScan({ client: documents, pageSize: 10 }, { TableName, FilterExpression: "contains(filler, :x)", ExpressionAttributeValues: { ":x": "xx" } })) scanned += page.Count;
  assert.equal(scanned, 25);
  const kinds = { pk: "b", sk: 1, set: new Set(["x", "y"]), numbers: new Set([1, 2]), big: 12345678901234567890n, gone: undefined, deep: { list: [{ a: null }, new Uint8Array([7])] }, empty: "" };
  await documents.send(new doclib.PutCommand({ TableName, Item: kinds }));
  const { Responses } = await documents.send(new doclib.BatchGetCommand({ RequestItems: { [TableName]: { Keys: [{ pk: "b", sk: 1 }, { pk: "b", sk: 2 }] } } }));
  assert.equal(Responses[TableName].length, 1);
  const back = Responses[TableName][0];
  assert.deepEqual([back.set, back.numbers, back.big, back.empty, "gone" in back], [new Set(["x", "y"]), new Set([1, 2]), "12345678901234567890", "", false]);
  assert.deepEqual(back.deep.list[0], { a: null });
  await documents.send(new doclib.TransactWriteCommand({ TransactItems: [
    { Put: { TableName, Item: { pk: "c", sk: 1 }, ConditionExpression: "attribute_not_exists(pk)" } },
    { Update: { TableName, Key: { pk: "b", sk: 1 }, UpdateExpression: "SET deep.#l[2] = :v DELETE #s :x", ExpressionAttributeNames: { "#l": "list", "#s": "set" }, ExpressionAttributeValues: { ":v": "end", ":x": new Set(["x"]) } } },
    { ConditionCheck: { TableName, Key: { pk: "a", sk: 1 }, ConditionExpression: "kind = :odd", ExpressionAttributeValues: { ":odd": "odd" } } },
  ] }));
  const both = await documents.send(new doclib.TransactGetCommand({ TransactItems: [{ Get: { TableName, Key: { pk: "c", sk: 1 } } }, { Get: { TableName, Key: { pk: "b", sk: 1 } } }, { Get: { TableName, Key: { pk: "z", sk: 1 } } }] }));
  assert.deepEqual(both.Responses[0], { Item: { pk: "c", sk: 1 } });
  assert.deepEqual([both.Responses[1].Item.deep.list[2], both.Responses[1].Item.set, both.Responses[2].Item], ["end", new Set(["y"]), undefined]);
  const refused = await documents.send(new doclib.TransactWriteCommand({ TransactItems: [
    { Delete: { TableName, Key: { pk: "a", sk: 1 } } },
    { Put: { TableName, Item: { pk: "c", sk: 1 }, ConditionExpression: "attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure: "ALL_OLD" } },
  ] })).catch((error) => error);
  assert.equal(refused.name, "TransactionCanceledException");
  assert.deepEqual(refused.CancellationReasons.map((reason) => reason.Code), ["None", "ConditionalCheckFailed"]);
  assert.deepEqual(refused.CancellationReasons[1].Item, { pk: { S: "c" }, sk: { N: "1" } });
  const failed = await documents.send(new doclib.UpdateCommand({ TableName, Key: { pk: "a", sk: 1 }, UpdateExpression: "SET n = :n", ConditionExpression: "kind = :e", ExpressionAttributeValues: { ":n": 1, ":e": "even" }, ReturnValuesOnConditionCheckFailure: "ALL_OLD" })).catch((error) => error);
  assert.deepEqual([failed.name, failed.Item.sk], ["ConditionalCheckFailedException", { N: "1" }]);
  const said = await documents.send(new doclib.ExecuteStatementCommand({ Statement: `SELECT sk FROM "${TableName}"."by-kind" WHERE kind = ? AND sk >= ?`, Parameters: ["even", 20] }));
  assert.deepEqual(said.Items, [{ sk: 20 }, { sk: 22 }, { sk: 24 }]);
  await documents.send(new doclib.ExecuteTransactionCommand({ TransactStatements: [{ Statement: `UPDATE "${TableName}" SET n = ? WHERE pk = ? AND sk = ?`, Parameters: [{ a: [1] }, "a", 1] }, { Statement: `DELETE FROM "${TableName}" WHERE pk = 'c' AND sk = 1` }] }));
  const several = await documents.send(new doclib.BatchExecuteStatementCommand({ Statements: [{ Statement: `SELECT n FROM "${TableName}" WHERE pk = ? AND sk = ?`, Parameters: ["a", 1] }, { Statement: `SELECT * FROM "${TableName}" WHERE pk = 'c' AND sk = 1` }] }));
  assert.deepEqual(several.Responses.map((response) => response.Item), [{ n: { a: [1] } }, undefined]);
  const old = await documents.send(new doclib.DeleteCommand({ TableName, Key: { pk: "a", sk: 1 }, ReturnValues: "ALL_OLD" }));
  assert.equal(old.Attributes.kind, "odd");
}
await documents();
console.log("all as AWS would have it");
