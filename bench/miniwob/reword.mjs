// The same instruction in other words, by rules on its form: synonyms, another order of the clauses where the
// meaning stays, other quotes, polite forms, ordinals as words, digits or numbers. `seed`: any text; the same
// seed gives the same words. Runs in the page, too: it refers to nothing outside of itself.
export function reword(text, seed) {
  let state = 2166136261;
  for (const c of seed) state = Math.imul(state ^ c.charCodeAt(0), 16777619) >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const pick = (...some) => some[Math.floor(random() * some.length)];

  // --- Words. ---
  const QUOTES = [['"', '"'], ["'", "'"], ["\u201c", "\u201d"], ["\u2018", "\u2019"], ["`", "`"], ["\u00ab", "\u00bb"]];
  const style = pick(...QUOTES);
  // What could be read as a word of the sentence stays in quotes.
  const q = (value) => {
    const plain = /^[A-Z][a-z]{3,}$/.test(value) && random() < 0.25;
    const [open, close] = value.includes("'") ? QUOTES[0] : style;
    return plain ? value : open + value + close;
  };
  const NUMBERS = ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
  const ending = (n) => n + (n === 1 ? "st" : n === 2 ? "nd" : n === 3 ? "rd" : "th");
  // "3rd", noun: the third noun, noun number 3, noun #3.
  const nth = (ordinal, noun) => {
    const n = parseInt(ordinal, 10);
    return pick("the " + ending(n) + " " + noun, "the " + (NUMBERS[n] || ending(n)) + " " + noun, noun + " number " + n, noun + " #" + n);
  };
  const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
  const date = (text) => {
    const [month, day, year] = text.split("/").map(Number);
    return pick(text, MONTHS[month - 1] + " " + day + ", " + year, day + " " + MONTHS[month - 1] + " " + year, ending(day) + " " + MONTHS[month - 1] + " " + year,
      year + "-" + String(month).padStart(2, "0") + "-" + String(day).padStart(2, "0"));
  };
  const time = (text) => {
    const [, hour, minute, half] = /^(\d+):(\d+) ([AP])M$/.exec(text);
    return pick(text, hour + ":" + minute + half.toLowerCase() + "m", ((hour % 12) + (half === "P" ? 12 : 0) + ":").padStart(3, "0") + minute);
  };
  const all = (list, quoted) => {
    const some = list.split(", ").map((one) => (quoted ? q(one) : one));
    return some.length > 1 && random() < 0.5 ? some.slice(0, -1).join(", ") + " and " + some[some.length - 1] : some.join(", ");
  };
  const PRESS = ["press", "click", "tap", "hit", "push", "click on", "tap on"];
  const button = (name) => pick(name, "the " + name + " button", q(name), "the " + q(name) + " button", "the button " + q(name), "the button that says " + q(name), "the button labelled " + q(name));
  const press = (name) => (/^submit$/i.test(name) && random() < 0.25 ? pick("submit", "submit it", "submit the form") : pick(...PRESS) + " " + button(name));
  const box = () => pick("text field", "text box", "textbox", "input field", "field", "text input");
  const into = () => pick("into", "in");
  const type = () => pick("type", "enter", "write", "put", "input");
  const choose = () => pick("choose", "pick", "select");
  const tick = () => pick("tick", "check", "select", "choose", "mark");

  // --- Clauses one after the other. ---
  const gerund = (clause) => clause.replace(/^(\w+)/, (verb) => (verb === "put" || verb === "set" || verb === "submit" || verb === "hit" || verb === "tap" || verb === "input"
    ? verb + (verb === "submit" || verb === "hit" || verb === "set" || verb === "put" ? verb[verb.length - 1] : verb === "tap" ? "p" : "t") + "ing"
    : verb.replace(/e$/, "") + "ing"));
  const then = (...clauses) => {
    const last = clauses.pop();
    if (clauses.length === 1 && random() < 0.12) return "before " + gerund(last) + ", " + clauses[0];
    if (clauses.length === 1 && random() < 0.14) return "after " + gerund(clauses[0]) + ", " + last;
    return clauses.join(pick(", ", ", then ")) + pick(" and ", ", then ", " and then ", ". Then ", ", and ", "; then ", ". After that, ", ". Finally, ") + last;
  };
  const polite = (sentence) => {
    const big = sentence[0].toUpperCase() + sentence.slice(1);
    if (/^(before|after|in) /.test(sentence)) return pick(big, big + ".", big + ", please.");
    const ask = (begin) => begin + (sentence.includes(". ") ? sentence.replace(". ", "? ") + "." : sentence + "?");
    return pick(() => big + ".", () => big, () => "Please " + sentence + ".", () => ask("Could you please "), () => ask("Please could you "),
      () => ask("Can you "), () => "I want you to " + sentence + ".", () => "I'd like you to " + sentence + ".", () => "You should " + sentence + ".",
      () => big + ", please.", () => ask("Would you kindly "), () => "Now " + sentence + ".", () => "Your task is to " + sentence + ".")();
  };

  // --- Forms: what is said, and other ways to say it. ---
  const V = '"([^"]*)"';
  const FORMS = [
    ["Click on the " + V + " button", (b) => pick(press(b), pick(...PRESS) + " the button called " + q(b))],
    ["Click on the link " + V, (l) => pick(pick(...PRESS) + " " + pick("the link " + q(l), "the " + q(l) + " link", "the link called " + q(l), "the hyperlink " + q(l), q(l)), "follow the link " + q(l), "open the " + q(l) + " link")],
    ["Click on Tab #(\\d)", (n) => pick(pick(...PRESS) + " " + nth(n, "tab"), "open " + nth(n, "tab"), "go to " + nth(n, "tab"), "switch to " + nth(n, "tab"), "select tab " + n)],
    ["Click button ONE, then click button TWO", () => then(press("ONE"), press("TWO"))],
    ["Click button ONE, wait (\\d+) seconds, then click button TWO", (s) => then(press("ONE"), pick("wait for ", "wait ") + s + pick(" seconds", " sec"), press("TWO"))],
    ["Click button (\\w+)", (b) => press(b)],
    ["Click the button", () => pick(...PRESS) + pick(" the button", " the only button", " the button on the page")],
    ["Click on the (\\w+) colored box", (c) => pick(...PRESS) + pick(" the " + c + " box", " the box that is " + c, " the " + c + "-coloured box", " the " + c + " square", " the box coloured " + c)],
    ["Click on a " + V + " widget", (k) => pick(...PRESS) + pick(" any " + q(k) + " widget", " a widget of the kind " + q(k), " one " + q(k) + " widget", " some " + q(k) + " widget")],
    ["Click the button in the dialog box labeled " + V, (b) => pick("in the dialog, " + press(b), pick(...PRESS) + " the dialog's " + q(b) + " button", pick(...PRESS) + " " + q(b) + pick(" in the dialog box", " of the dialog"))],
    ["Close the dialog box by clicking the " + V, (x) => pick(...PRESS) + " the " + q(x) + pick(" to close the dialog", " of the dialog box", " in order to close the dialog box")],
    ["Expand the section below and click submit", () => then(pick("open", "unfold", "expand") + pick(" the section below", " the section", " the collapsed section"), press("Submit"))],
    ["Select (.+) from the (scroll )?list and click Submit", (v, s) => then(choose() + " " + all(v, random() < 0.5) + pick(" in", " from", " out of") + " the " + (s || "") + "list", press("Submit"))],
    ["Select (-?\\d+) with the (slider|spinner) and hit Submit", (n, w) => then(pick("set the " + w + " to " + n, "adjust the " + w + " to " + n, "use the " + w + " to select " + n, "choose " + n + " with the " + w, "pick " + n + " using the " + w), press("Submit"))],
    ["Set the sliders to the combination (\\[.*\\]) and submit", (v) => then(pick("set", "move", "adjust") + " the sliders to " + pick(v, "the values " + v, "the combination " + v), press("Submit"))],
    ["Select (-?\\d+) with the slider, click the (\\d\\w\\w) checkbox, then hit Submit", (n, o) => then(pick("set the slider to " + n, "choose " + n + " with the slider"), tick() + " " + nth(o, "checkbox"), press("Submit"))],
    ["Select ([\\d/]+) as the date and hit submit", (d) => then(pick(choose() + " " + date(d) + " as the date", "set the date to " + date(d), choose() + " the date " + date(d)), press("Submit"))],
    ["Enter ([\\d/]+) as the date and hit submit", (d) => then(pick("set the date to " + date(d), type() + " " + date(d) + " as the date", type() + " the date " + date(d)), press("Submit"))],
    ["Enter (\\d+:\\d+ [AP]M) as the time and press submit", (t) => then(pick("set the time to " + time(t), type() + " " + time(t) + " as the time", type() + " the time " + time(t)), press("Submit"))],
    ["Select (.+>.+|\\w+)", (p) => (p.includes(">") ? choose() + " " + p.split(">").join(pick(">", " > ")) + pick("", " from the menu", " in the menu") : pick(choose() + " " + p, choose() + " " + q(p), choose() + " " + q(p) + " from the menu"))],
    ["Select (.+) and click Submit", (v) => then(tick() + " " + all(v, random() < 0.5), press("Submit"))],
    ["Enter " + V + " into the text field and press Submit", (v) => then(pick(type() + " " + q(v) + " " + into() + " the " + box(), "fill the " + box() + " with " + q(v), "fill in " + q(v)), press("Submit"))],
    ["Type " + V + " in all (upper|lower) case letters in the text input and press Submit", (v, c) => then(pick(type() + " " + q(v) + pick(" in " + c + " case", " in " + c + "case letters", " in all " + c + " case letters", c === "upper" ? " in capitals" : " in small letters") + " " + into() + " the " + box()), press("Submit"))],
    ["Enter the password " + V + " into both text fields and press submit", (p) => then(pick(type() + " " + q(p) + " " + into() + " both fields", "fill both text fields with " + q(p), type() + " the password " + q(p) + " " + into() + " both boxes", "fill in the password " + q(p) + " in both text boxes"), press("Submit"))],
    ["Enter the username " + V + " and the password " + V + " into the text fields and press login", (u, p) => then(pick(
      type() + " the username " + q(u) + " and the password " + q(p), type() + " the password " + q(p) + " and the username " + q(u), type() + " " + q(u) + " as the username and " + q(p) + " as the password",
      "fill the username with " + q(u) + " and the password with " + q(p), "use the username " + q(u) + " and the password " + q(p), type() + " " + q(u) + " into the username field and " + q(p) + " into the password field"), press("Login"))],
    ["Scroll to the bottom of the textarea, enter the name " + V + " then press " + V, (n, b) => then(pick("scroll to the end of the text area", "scroll the textarea to the bottom", "scroll down to the bottom of the textarea"), pick(type() + " the name " + q(n), type() + " " + q(n) + " as the name", "fill in the name " + q(n)), press(b))],
    ["Click the cancel button", () => press("Cancel")],
    ["Enter an item that starts with " + V + "(?: and ends with " + V + ")?", (a, z) => pick("type", "enter", "choose") + pick(" an item", " any item", " something") + " that " + pick("starts", "begins") + " with " + q(a) + (z ? " and ends " + pick("with ", "in ") + q(z) : "")],
    ["Focus into the (?:(\\d\\w\\w) input )?textbox", (o) => { const t = o ? nth(o, pick("textbox", "input", "text field")) : "the " + box(); return pick("focus " + t, "focus on " + t, "set the focus to " + t, "put the cursor into " + t, "click into " + t, "place the cursor in " + t); }],
    ["Copy the text (?:from the (\\d\\w\\w) text area|in the textarea) below(?: and|,) paste it into the (?:textbox|text input)(?:,? (?:and|then)) press Submit", (o) => then(pick("copy the text from ", "copy the text in ", "copy the contents of ") + (o ? nth(o, "text area") : "the " + pick("textarea", "text area")), "paste it into the " + pick("textbox", "text input", "text box"), press("Submit"))],
    ["Highlight the text in the (?:(\\d\\w\\w) paragraph|paragraph below) and click submit", (o) => then(pick("highlight ", "mark ", "select ") + "the text " + pick("in ", "of ") + (o ? nth(o, "paragraph") : "the paragraph"), press("Submit"))],
    ["Scroll the textarea to the (top|bottom) of the text hit submit", (w) => then(pick("scroll the textarea to the " + w, "scroll to the " + w + " of the textarea", "scroll the text area " + pick("all the way ", "") + (w === "top" ? "up" : "down") + " to the " + (w === "top" ? "beginning" : "end")), press("Submit"))],
    ["Check the (\\d\\w\\w) radio button and enter the number " + V + " into the (\\d\\w\\w) textbox", (r, n, t) => {
      const first = choose() + " " + nth(r, "radio button"), second = type() + pick(" the number ", " ") + q(n) + " " + into() + " " + nth(t, "textbox");
      return random() < 0.5 ? then(first, second) : then(second, first); }],
    ["Choose (.+) from the dropdown, then click the button labeled " + V, (v, b) => then(choose() + " " + pick(v, q(v)) + pick(" from", " in") + " the " + pick("dropdown", "drop-down list", "dropdown menu", "select box"), press(b))],
    // Rows, posts and messages of somebody.
    ["For the user (@\\w+), click on the " + V + " button", (u, b) => pick("in the post of " + u + ", " + press(b), pick(...PRESS) + " " + q(b) + pick(" in the row of ", " for the user ", " for ") + u, pick(...PRESS) + " the " + q(b) + " button in the row of " + u, "in the row of " + u + ", " + press(b))],
    ["Click the " + V + " button on (all|\\d+) posts? by (@\\w+) and then click Submit", (b, n, u) => then(pick(...PRESS) + " the " + q(b) + " button on " + (n === "all" ? pick("all posts", "every post") : n + (n === "1" ? " post" : " posts")) + pick(" by ", " of ", " from ") + u, press("Submit"))],
    ["Find the email by (\\w+) and click the (trash|star) icon to \\w+ it(?: as important)?", (n, i) => pick("find the email from " + n + " and " + pick(...PRESS) + " the " + i + " icon", pick(...PRESS) + " the " + i + " icon in the row of " + n, i === "trash" ? "delete the email from " + n : "star the email from " + n, i === "trash" ? "delete " + n + "'s email" : "mark " + n + "'s email as important")],
    ["Find the email by (\\w+) and forward that email to (\\w+)", (n, t) => pick("forward the email from " + n + " to " + t, "forward " + n + "'s email to " + t, "find " + n + "'s email and forward it to " + t)],
    ["Find the email by (\\w+) and reply to them with the text " + V, (n, t) => pick("reply to " + n + "'s email with " + q(t), "reply to the email from " + n + " with the text " + q(t), "find the email from " + n + " and reply with " + q(t))],
  ];
  const plain = text.replace(/\s+/g, " ").trim().replace(/\.$/, "");
  for (const [form, say] of FORMS) {
    const found = new RegExp("^" + form + "$").exec(plain);
    if (found) return polite(say(...found.slice(1)));
  }
  return polite(plain[0].toLowerCase() + plain.slice(1));
}
