// Which tasks of MiniWoB++ belong together, by the form of their instruction, whatever passes.

/// One to three clauses that say what to do with what: nothing is worked out, nothing is looked for.
const direct = {
  "Click [on] the \"X\" button, link, tab #n, box, \"kind\" widget": ["click-button", "click-button-sequence",
    "click-color", "click-dialog-2", "click-link", "click-tab", "click-test", "click-test-2", "click-test-transfer",
    "click-widget", "unicode-test", "button-delay"],
  "Close the dialog box by …, expand the section and …": ["click-dialog", "click-collapsible", "click-collapsible-nodelay"],
  "Select A, B [from the list] and click Submit": ["choose-list", "click-checkboxes", "click-checkboxes-large",
    "click-checkboxes-transfer", "click-option", "click-scroll-list"],
  "Select a>b>c": ["click-menu"],
  "Select N with the slider, set the sliders to the combination": ["use-slider", "use-slider-2", "use-spinner"],
  "Enter \"V\" into the text field and press Submit": ["enter-text", "enter-text-2", "enter-text-dynamic",
    "enter-password", "login-user", "login-user-popup", "sign-agreement"],
  "Enter or select a date or time": ["enter-date", "enter-time", "choose-date", "choose-date-easy",
    "choose-date-medium", "choose-date-nodelay"],
  "Enter an item that starts with \"x\"": ["use-autocomplete", "use-autocomplete-nodelay"],
  "Focus into, copy, highlight, scroll": ["focus-text", "focus-text-2", "copy-paste", "copy-paste-2", "highlight-text",
    "highlight-text-2", "scroll-text-2"],
  "Two of these in one sentence": ["form-sequence", "form-sequence-2", "form-sequence-3"],
};

/// Where it is told by a row, or it has to be looked for, or it is done several times. (Not click-menu-2: half of
/// its instructions are a picture.)
const loops = {
  "the row, post or message of somebody": ["email-inbox", "email-inbox-delete", "email-inbox-forward",
    "email-inbox-forward-nl", "email-inbox-forward-nl-turk", "email-inbox-important", "email-inbox-nl-turk",
    "email-inbox-noscroll", "email-inbox-reply", "email-inbox-star-reply", "social-media"],
  "all of them, or so many": ["social-media-all", "social-media-some"],
  "behind tabs, sections and in trees": ["click-tab-2", "click-tab-2-easy", "click-tab-2-medium", "click-tab-2-hard",
    "click-collapsible-2", "click-collapsible-2-nodelay", "navigate-tree"],
  "on another page of a list": ["search-engine", "phone-book"],
};

/// What a workflow reads from the page, works out, and does.
const compute = {
  "a number of the page": ["simple-arithmetic", "simple-algebra", "visual-addition", "count-shape", "find-greatest",
    "guess-number", "generate-number", "odd-or-even", "stock-market"],
  "an order": ["ascending-numbers", "drag-sort-numbers"],
  "a text of the page": ["find-word", "scroll-text", "text-transform", "read-table", "read-table-2", "identify-shape"],
  "a record of many": ["buy-ticket", "book-flight", "book-flight-nodelay", "order-food"],
  "a form that is laid out another way each time": ["multi-layouts", "multi-orderings"],
  "what was answered": ["terminal"],
};

const names = (set) => Object.values(set).flat();
export const SETS = { direct: names(direct), loops: names(loops), compute: names(compute) };

/// Tasks whose workflow serves several; the others have one of their own name.
const WORKFLOWS = {
  email: loops["the row, post or message of somebody"].filter((task) => task.startsWith("email")),
  social: ["social-media", ...loops["all of them, or so many"]],
  unfold: loops["behind tabs, sections and in trees"],
  flight: ["book-flight", "book-flight-nodelay"],
  film: compute["a form that is laid out another way each time"],
};
/// The name of the task's workflow.
export const workflowOf = (task) => (Object.entries(WORKFLOWS).find(([, tasks]) => tasks.includes(task)) || [task])[0].replace(/-/g, "_");
