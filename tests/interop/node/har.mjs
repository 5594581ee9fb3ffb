// Reads HAR files from the command line and says for each what is wrong with it: one line of JSON.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/package.json`);
const validate = require("har-validator/lib/promise");

for (const file of process.argv.slice(3)) {
  try {
    await validate.har(JSON.parse(readFileSync(file, "utf8")));
    console.log(JSON.stringify([]));
  } catch (problem) {
    console.log(JSON.stringify((problem.errors ?? [problem]).map((one) => `${one.dataPath} ${one.message}`)));
  }
}
