"use strict";
// Draws what the server answers, by what an answer holds; heads and their quality come from the
// metadata, so any model fits.
const SVG = "http://www.w3.org/2000/svg";
const EXAMPLE = "had such a lovely day at the sea with the grandchildren\n\nback at the office, the new " +
  "contract is signed\n\nlooking forward to retirement and long walks";
const MOST_WORDS_A_HEAD = 10;
const PROBABILITY = "probability of ";
const state = { model: "", heads: [], metrics: {}, posts: [] };
const $ = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function picture(width, height, title, ...shapes) {
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  svg.append(...shapes);
  return svg;
}

const number = (value, digits = 1) => value.toLocaleString("en", { maximumFractionDigits: digits });
const short = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
const signed = (value) => (value > 0 ? "+" : "") + Number(value.toPrecision(2)).toLocaleString("en", { maximumSignificantDigits: 2 });
const percent = (value) => `${number(100 * value, 0)} %`;

function groupName(head, group) {
  const bounds = head.boundaries;
  if (!bounds) return `group ${group}`;
  const amounts = bounds.map((bound) => number(bound, 2));
  if (group === 0) return `below ${amounts[0]}`;
  if (group === amounts.length) return `${amounts[group - 1]} and above`;
  return `${amounts[group - 1]} – ${amounts[group]}`;
}

function sureness(answer) {
  if (answer.abstain) return `Abstains: its confidence of ${percent(answer.confidence)} is below the bound set for this server.`;
  return answer.confidence === undefined ? "" : `Confidence ${percent(answer.confidence)}, calibrated.`;
}

function drawNumber(head, answer) {
  const interval = answer.interval;
  const low = head.minimum ?? Math.min(0, interval ? interval.lower : answer.value);
  const high = Math.min(head.maximum ?? Infinity, Math.max(100, interval ? interval.upper : answer.value));
  const x = (value) => 20 + 360 * Math.min(1, Math.max(0, (value - low) / (high - low)));
  const unit = answer.unit ? ` ${answer.unit}` : "";
  // A range of 120 years is told to a year and a tenth of one, one from 0 to 1 to hundredths.
  const [coarse, fine] = high - low > 10 ? [0, 1] : [2, 2];
  const said = interval
    ? `In ${percent(interval.coverage)} of cases between ${number(interval.lower, fine)} and ${number(interval.upper, fine)}${unit}.${answer.abstain ? " Abstains: less sure than the bounds set for this server." : ""}`
    : "This model was exported without an interval.";
  const shapes = [shape("line", { x1: 20, y1: 50, x2: 380, y2: 50, class: "axis" })];
  if (interval) shapes.push(shape("rect", { x: x(interval.lower), y: 26, width: x(interval.upper) - x(interval.lower), height: 20, rx: 4, class: "band" }));
  if (interval) shapes.push(shape("text", { x: x(interval.lower) - 6, y: 41, "text-anchor": "end", class: "soft" }, number(interval.lower, coarse)), shape("text", { x: x(interval.upper) + 6, y: 41, class: "soft" }, number(interval.upper, coarse)));
  shapes.push(shape("circle", { cx: x(answer.value), cy: 36, r: 9, class: "top" }));
  for (let step = 0; step <= 4; step += 1) {
    const value = low + ((high - low) * step) / 4;
    shapes.push(shape("line", { x1: x(value), y1: 50, x2: x(value), y2: 56, class: "axis" }));
    shapes.push(shape("text", { x: x(value), y: 71, "text-anchor": "middle", class: "soft" }, number(value, coarse)));
  }
  shapes.push(shape("text", { x: 200, y: 90, "text-anchor": "middle", class: "soft" }, unit.trim()));
  const headline = `${number(answer.value, fine)}${unit}`;
  return { headline, said, svg: picture(400, 98, `${head.name}: ${headline}. ${said}`, ...shapes) };
}

function drawBars(head, answer, names, shares, unit) {
  const most = Math.max(...shares);
  const top = shares.indexOf(most);
  const row = 24;
  const shapes = [];
  shares.forEach((share, place) => {
    const y = place * row;
    const width = Math.max(1, (170 * share) / most);
    shapes.push(shape("text", { x: 150, y: y + 16, "text-anchor": "end", class: place === top ? "" : "soft" }, names[place]));
    shapes.push(shape("rect", { x: 158, y: y + 3, width, height: row - 7, rx: 3, class: place === top ? "top" : "bar" }));
    shapes.push(shape("text", { x: 164 + width, y: y + 16 }, percent(share)));
  });
  shapes.push(shape("text", { x: 150, y: shares.length * row + 18, "text-anchor": "end", class: "soft" }, unit));
  shapes.push(shape("text", { x: 158, y: shares.length * row + 18, class: "soft" }, "probability"));
  const headline = unit ? `${names[top]} ${unit}` : names[top];
  const said = `Most probable: ${headline}, ${percent(most)}. ${sureness(answer)}`;
  return { headline, said, svg: picture(400, shares.length * row + 26, `${head.name}. ${said}`, ...shapes), table: tableOf(head, names, shares) };
}

function tableOf(head, names, shares) {
  const body = element("tbody");
  shares.forEach((share, place) => {
    body.append(element("tr", {}, element("th", { scope: "row" }, names[place]), element("td", { class: "number" }, `${number(100 * share)} %`)));
  });
  const table = element("table", {}, element("caption", {}, head.unit ? `${head.name}, ${head.unit}` : head.name), body);
  return element("details", {}, element("summary", {}, "As a table"), table);
}

function drawGroups(head, answer) {
  const names = answer.probabilities.map((_, group) => groupName(head, group));
  return drawBars(head, answer, names, answer.probabilities, (answer.boundaries && head.unit) || "");
}

function drawTwo(head, answer, [first, second]) {
  const share = answer.probabilities[first];
  const width = 360 * share;
  const likelier = share >= 0.5 ? first : second;
  const said = `${first} ${percent(share)}, ${second} ${percent(1 - share)}. ${sureness(answer)}`;
  const svg = picture(400, 84, `${head.name}: ${said}`,
    shape("rect", { x: 20, y: 22, width, height: 26, class: "top" }),
    shape("rect", { x: 20 + width, y: 22, width: 360 - width, height: 26, class: "other" }),
    shape("line", { x1: 200, y1: 16, x2: 200, y2: 54, class: "axis" }),
    shape("text", { x: 200, y: 72, "text-anchor": "middle", class: "soft" }, "even"),
    shape("text", { x: 20, y: 72 }, `${first} ${percent(share)}`),
    shape("text", { x: 380, y: 72, "text-anchor": "end" }, `${second} ${percent(1 - share)}`));
  return { headline: `${likelier}, ${percent(Math.max(share, 1 - share))}`, said, svg };
}

function tell(answer) {
  const { confidence, abstain, ...rest } = answer;
  const headline = Object.entries(rest).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ");
  return { headline, said: sureness(answer) };
}

function draw(head, answer) {
  if (typeof answer.value === "number") return drawNumber(head, answer);
  const shares = answer.probabilities ?? {};
  if (Array.isArray(shares)) return drawGroups(head, answer);
  // As they are declared: a script's object puts keys that look like numbers first.
  const declared = Object.values(head);
  const values = Object.keys(shares).sort((one, other) => declared.indexOf(one) - declared.indexOf(other));
  // Of several that may all be true, each has a bar of its own.
  const exclude = Math.abs(values.reduce((sum, value) => sum + shares[value], 0) - 1) < 1e-3;
  if (values.length === 2 && exclude) return drawTwo(head, answer, values);
  return values.length ? drawBars(head, answer, values, values.map((value) => shares[value]), "") : tell(answer);
}

function showAnswers(answers) {
  const cards = state.heads.map((head) => {
    const answer = answers[head.name];
    const drawn = draw(head, answer);
    const title = element("h3", {}, head.name);
    const said = element("p", { class: answer.abstain ? "answer abstain" : "answer" }, answer.abstain ? "no answer" : drawn.headline);
    const figure = element("figure", {}, drawn.svg ?? "", element("figcaption", {}, drawn.said));
    const card = element("article", { class: "card", "data-head": head.name }, title, said, figure);
    if (drawn.table) card.append(drawn.table);
    return card;
  });
  $("heads").replaceChildren(...cards);
  $("words").replaceChildren();
  $("explain-status").textContent = "";
  $("results").hidden = false;
  $("results-title").focus();
}

function effectBar(effect, most) {
  const width = most ? (95 * Math.abs(effect)) / most : 0;
  return picture(200, 16, effect >= 0 ? "raises" : "lowers",
    shape("line", { x1: 100, y1: 0, x2: 100, y2: 16, class: "axis" }),
    shape("rect", { x: effect >= 0 ? 100 : 100 - width, y: 3, width, height: 10, class: effect >= 0 ? "top" : "other" }));
}

function effectOf(head, of) {
  if (!of.startsWith(PROBABILITY)) return `Effect on ${head.name}${of === "value" ? "" : `, in ${of}`}`;
  const group = head.boundaries && of.match(/\d+$/);
  return `Effect on the probability of ${group ? groupName(head, Number(group[0])) : of.slice(PROBABILITY.length)}, in percentage points`;
}

function showWords(explanation) {
  const cards = state.heads.map((head) => {
    const told = explanation.heads[head.name];
    const words = told.words.slice(0, MOST_WORDS_A_HEAD);
    const most = Math.max(...words.map((word) => Math.abs(word.effect)), 0);
    const body = element("tbody");
    for (const word of words) {
      const shown = signed(told.of.startsWith(PROBABILITY) ? 100 * word.effect : word.effect);
      body.append(element("tr", {}, element("td", { class: "word" }, word.count > 1 ? `${word.word} ×${word.count}` : word.word),
        element("td", { class: "effect" }, effectBar(word.effect, most)),
        element("td", { class: "number" }, shown)));
    }
    const heading = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "word"), element("th", { scope: "col", class: "effect" }, "lowers | raises"), element("th", { scope: "col", class: "number" }, "effect")));
    const caption = element("caption", {}, effectOf(head, told.of));
    return element("article", { class: "card", "data-words": head.name }, element("h3", {}, `Words for ${head.name}`), element("table", {}, caption, heading, body));
  });
  const note = explanation.tried_words < explanation.distinct_words ? ` The ${explanation.tried_words} most frequent of ${explanation.distinct_words} words were tried.` : "";
  $("words").replaceChildren(...cards);
  $("explain-status").textContent = `Each word was left out in turn; effect is the answer with it less the answer without.${note}`;
  $("words").focus();
}

function metricName(head, key) {
  const metric = state.metrics[head.kind]?.[key] ?? { title: key };
  return metric.title + (metric.has_unit && head.unit ? `, ${head.unit}` : "");
}

function showQuality(heads) {
  const rows = heads.map((head) => {
    const quality = head.quality;
    const measured = quality
      ? `${short(quality.value)}${quality.lower === undefined ? "" : ` [${short(quality.lower)}, ${short(quality.upper)}]`}`
      : "not in this export";
    return element("tr", {}, element("th", { scope: "row" }, head.name), element("td", {}, quality ? metricName(head, quality.metric) : "–"), element("td", { class: "number" }, measured));
  });
  const heading = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "attribute"), element("th", { scope: "col" }, "metric"), element("th", { scope: "col", class: "number" }, "value [95 % interval]")));
  $("quality").replaceChildren(element("table", {}, heading, element("tbody", {}, ...rows)));
}

async function ask(address, body) {
  const options = body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await fetch(address, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || `The server answers ${response.status}.`);
  return answer;
}

async function during(button, place, said, work) {
  $("error").textContent = "";
  $(place).textContent = said;
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    $(place).textContent = "";
    $("error").textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

const readPosts = () => $("posts").value.split(/\n\s*\n/).map((post) => post.trim()).filter(Boolean);
const address = (verb) => `v1/models/${state.model}${verb}`;

function predict(event) {
  event.preventDefault();
  state.posts = readPosts();
  during($("predict"), "status", "Asking the model…", async () => {
    if (!state.posts.length) throw new Error("Write or paste at least one post.");
    const answer = await ask(address(":predict"), { instances: [{ posts: state.posts }] });
    $("status").textContent = `Answered for ${state.posts.length} post${state.posts.length > 1 ? "s" : ""}.`;
    showAnswers(answer.predictions[0]);
  });
}

function explain() {
  during($("explain"), "explain-status", "Leaving out one word after the other…", async () => {
    const answer = await ask(address(":explain"), { instances: [{ posts: state.posts }] });
    showWords(answer.explanations[0]);
  });
}

function countPosts() {
  const posts = readPosts().length;
  $("count").textContent = posts ? `${posts} post${posts > 1 ? "s" : ""}` : "";
}

async function begin() {
  $("form").addEventListener("submit", predict);
  $("explain").addEventListener("click", explain);
  $("posts").addEventListener("input", countPosts);
  $("posts").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
  });
  $("example").addEventListener("click", () => { $("posts").value = EXAMPLE; countPosts(); $("posts").focus(); });
  try {
    state.model = (await ask("v2/models")).models[0];
    const told = await ask(address("/metadata"));
    state.heads = told.metadata.heads;
    state.metrics = await ask("metrics.json");
    $("version").textContent = `· model version ${told.model_spec.version}`;
    showQuality(state.heads);
  } catch (error) {
    $("error").textContent = error.message;
  }
  $("curl").textContent = `curl ${location.origin}/${address(":predict")} \\\n  -d '{"instances": [{"posts": ["one post", "another post"]}]}'`;
}

begin();
