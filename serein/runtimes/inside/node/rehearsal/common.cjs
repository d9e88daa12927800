// As module.mjs, in the older form.
const path = require("path");
exports.handler = async (event) => ({ ...event, name: path.basename(__filename) });
