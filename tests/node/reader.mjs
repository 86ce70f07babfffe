// Reads mails as two programs of other makers do: `mailparser`, on which many order tools are built, and the
// platform's own TextDecoder, which is what browsers and web mail have.
//
// One JSON document a line on stdin: {"mail": base64 of a whole mail}. One a line on stdout, in the same order:
// {"mailparser": …, "platform": …}, each {"subject", "sender", "address", "body"}, or {"error": …} for all of it.
// The platform's decoder is fatal: a single octet that it does not know is an error.

import { createInterface } from "node:readline";
import { simpleParser } from "mailparser";

const PLAIN = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true, skipImageLinks: true };
const WORD = /=\?([^?\s]+)\?B\?([^?\s]*)\?=/g;

const decoded = (octets, charset) => new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(octets);

async function byMailparser(mail) {
  const { subject = "", from, text } = await simpleParser(mail, PLAIN);
  const [{ name, address }] = from.value;
  return { subject, sender: name, address, body: text };
}

function byPlatform(mail) {
  const end = mail.indexOf("\r\n\r\n");
  const head = mail.subarray(0, end).toString("latin1").replaceAll(/\r\n(?=[ \t])/g, "");
  const fields = new Map(head.split("\r\n").map((row) => row.split(/: (.*)/s, 2)));
  const content = mail.subarray(end + 4);
  const octets =
    fields.get("Content-Transfer-Encoding") === "base64"
      ? Buffer.from(content.toString("latin1"), "base64")
      : content;
  const [, charset] = /charset=(\S+)$/.exec(fields.get("Content-Type"));
  const [, name, address] = /^(?:(.*) )?<?(\S+@\S+?)>?$/.exec(fields.get("From"));
  return {
    subject: headerText(fields.get("Subject")),
    sender: headerText((name ?? "").replace(/^"(.*)"$/, (_, quoted) => quoted.replaceAll(/\\(.)/g, "$1"))),
    address,
    body: decoded(octets, charset).replaceAll("\r\n", "\n"),
  };
}

function headerText(raw) {
  const joined = raw.replaceAll(/(=\?[^?\s]+\?B\?[^?\s]*\?=) +(?==\?)/g, "$1");
  return joined.replaceAll(WORD, (_, charset, content) => decoded(Buffer.from(content, "base64"), charset));
}

async function answer({ mail }) {
  const octets = Buffer.from(mail, "base64");
  try {
    return { mailparser: await byMailparser(octets), platform: byPlatform(octets) };
  } catch (error) {
    return { error: String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
