// POST /todos/{id}/attachment {"name": "photo.jpg"}: a presigned URL to upload the attachment to.
//
// The URL is signed here with nothing but Node's own crypto, as
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html says, so that the function
// needs no SDK and starts in milliseconds.
import { createHash, createHmac } from "node:crypto";

const EXPIRES_S = 900;
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

export function presign(method, url, { region, accessKeyId, secretAccessKey, sessionToken }, now = new Date()) {
  const stamp = now.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${stamp.slice(0, 8)}/${region}/s3/aws4_request`;
  const query = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${accessKeyId}/${scope}`,
    "X-Amz-Date": stamp,
    "X-Amz-Expires": String(EXPIRES_S),
    "X-Amz-SignedHeaders": "host",
    ...(sessionToken ? { "X-Amz-Security-Token": sessionToken } : {}),
  };
  const canonicalQuery = Object.keys(query).sort().map((k) => `${encode(k)}=${encode(query[k])}`).join("&");
  const canonical = [method, url.pathname, canonicalQuery, `host:${url.host}`, "", "host", "UNSIGNED-PAYLOAD"].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical)].join("\n");
  const key = [stamp.slice(0, 8), region, "s3", "aws4_request"].reduce(hmac, "AWS4" + secretAccessKey);
  return `${url.origin}${url.pathname}?${canonicalQuery}&X-Amz-Signature=${hmac(key, toSign).toString("hex")}`;
}

export const handler = async (event) => {
  const owner = event.headers["x-user"] ?? "me";
  let name;
  try {
    const text = event.isBase64Encoded ? Buffer.from(event.body, "base64").toString() : event.body;
    name = JSON.parse(text || "{}").name ?? "attachment";
  } catch {
    return { statusCode: 400, body: JSON.stringify({ message: "the body is no JSON" }) };
  }
  const key = [owner, event.pathParameters.id, String(name)].map(encode).join("/");
  const url = presign("PUT", new URL(`/${process.env.BUCKET}/${key}`, process.env.ENDPOINT), {
    region: process.env.AWS_REGION,
    accessKeyId: process.env.AWS_ACCESS_KEY_ID,
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
    sessionToken: process.env.AWS_SESSION_TOKEN,
  });
  return { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ upload_url: url }) };
};
