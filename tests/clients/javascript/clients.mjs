// The SDK for JavaScript (v3) against S3, DynamoDB and SQS. Exits 0 when all is as AWS would have it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Readable } from "node:stream";

const require = createRequire(process.env.SEREIN_NODE_MODULES + "/");
const s3lib = require("@aws-sdk/client-s3");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const ddblib = require("@aws-sdk/client-dynamodb");
const doclib = require("@aws-sdk/lib-dynamodb");
const sqslib = require("@aws-sdk/client-sqs");

async function objects() {
  const s3 = new s3lib.S3Client({ forcePathStyle: true });
  const Bucket = "javascript";
  await s3.send(new s3lib.CreateBucketCommand({ Bucket }));
  await s3.send(new s3lib.PutObjectCommand({ Bucket, Key: "a b/ü.txt", Body: "hello", Metadata: { team: "red" } }));
  const got = await s3.send(new s3lib.GetObjectCommand({ Bucket, Key: "a b/ü.txt", ChecksumMode: "ENABLED" }));
  assert.equal(await got.Body.transformToString(), "hello");
  assert.equal(got.Metadata.team, "red");
  const large = randomBytes(6 * 1024 * 1024);
  await s3.send(new s3lib.PutObjectCommand({ Bucket, Key: "large", Body: Readable.from([large]), ContentLength: large.length }));
  const back = await s3.send(new s3lib.GetObjectCommand({ Bucket, Key: "large" }));
  assert.ok(large.equals(Buffer.from(await back.Body.transformToByteArray())));
  const url = await getSignedUrl(s3, new s3lib.GetObjectCommand({ Bucket, Key: "a b/ü.txt" }), { expiresIn: 60 });
  assert.equal(await (await fetch(url)).text(), "hello");
  const listed = await s3.send(new s3lib.ListObjectsV2Command({ Bucket }));
  assert.deepEqual(listed.Contents.map((o) => o.Key), ["a b/ü.txt", "large"]);
  await assert.rejects(s3.send(new s3lib.GetObjectCommand({ Bucket, Key: "none" })), { name: "NoSuchKey" });
}

async function items() {
  const client = new ddblib.DynamoDBClient({});
  const documents = doclib.DynamoDBDocumentClient.from(client);
  const TableName = "javascript";
  await client.send(new ddblib.CreateTableCommand({
    TableName, BillingMode: "PAY_PER_REQUEST",
    KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
    AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }, { AttributeName: "sk", AttributeType: "N" }],
  }));
  await ddblib.waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1 }, { TableName });
  const Item = { pk: "a", sk: 1, nested: { list: [1, "two", null, true] }, raw: new Uint8Array([1, 2, 3]) };
  await documents.send(new doclib.PutCommand({ TableName, Item }));
  const got = await documents.send(new doclib.GetCommand({ TableName, Key: { pk: "a", sk: 1 } }));
  assert.deepEqual(got.Item.nested, Item.nested);
  assert.deepEqual([...got.Item.raw], [1, 2, 3]);
  const updated = await documents.send(new doclib.UpdateCommand({
    TableName, Key: { pk: "a", sk: 1 }, UpdateExpression: "ADD hits :one", ExpressionAttributeValues: { ":one": 1 }, ReturnValues: "UPDATED_NEW",
  }));
  assert.deepEqual(updated.Attributes, { hits: 1 });
  await assert.rejects(
    documents.send(new doclib.PutCommand({ TableName, Item, ConditionExpression: "attribute_not_exists(pk)" })),
    { name: "ConditionalCheckFailedException" },
  );
}

async function messages() {
  const sqs = new sqslib.SQSClient({});
  const { QueueUrl } = await sqs.send(new sqslib.CreateQueueCommand({ QueueName: "javascript" }));
  await sqs.send(new sqslib.SendMessageCommand({ QueueUrl, MessageBody: "hello", MessageAttributes: { n: { DataType: "Number", StringValue: "1" } } }));
  const got = await sqs.send(new sqslib.ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 1, MessageAttributeNames: ["All"] }));
  assert.equal(got.Messages[0].Body, "hello");
  assert.equal(got.Messages[0].MessageAttributes.n.StringValue, "1");
  await sqs.send(new sqslib.DeleteMessageCommand({ QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle }));
  await assert.rejects(sqs.send(new sqslib.GetQueueUrlCommand({ QueueName: "none" })), { name: "QueueDoesNotExist" });
}

await objects();
await items();
await messages();
console.log("all as AWS would have it");
