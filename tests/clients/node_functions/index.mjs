// An item, an object and a message, by the SDK for JavaScript v3, with what the runtime gives: endpoint, region, credentials.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";

const documents = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const s3 = new S3Client({ forcePathStyle: true });
const sqs = new SQSClient({});
const { TABLE, BUCKET, QUEUE } = process.env;

export const handler = async (event, context) => {
  await documents.send(new PutCommand({ TableName: TABLE, Item: { id: event.id, tags: ["a"], n: 1.5 } }));
  const { Item } = await documents.send(new GetCommand({ TableName: TABLE, Key: { id: event.id } }));
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: event.id, Body: JSON.stringify(Item) }));
  const object = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: event.id }));
  const text = await object.Body.transformToString();
  const sent = await sqs.send(new SendMessageCommand({ QueueUrl: QUEUE, MessageBody: text }));
  let refused = "";
  try {
    await documents.send(new GetCommand({ TableName: "anothers", Key: { id: "x" } }));
  } catch (error) {
    refused = error.name;
  }
  console.log("stored", event.id);
  return { item: Item, object: JSON.parse(text), message: sent.MessageId, refused, id: context.awsRequestId };
};
