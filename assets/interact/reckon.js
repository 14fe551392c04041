// What has to be read before it can be acted on: the record with the lowest price, the answer of a
// sum, values that stand beside labels, numbers in order. Loaded only for instructions that need it.
(() => {
  const T = globalThis.__troupe;
  if (T.has.reckon) return;
  T.has.reckon = 1;
  const { clean, fold } = T;
  const shown = () => T.everything(document).filter((e) => T.visible(e));
  const FORM = /^(input|select|textarea|option)$/;
  const textOf = (e) => clean(e.innerText === undefined ? e.textContent : e.innerText);
  // Elements that hold a text of their own and nothing else.
  const leaves = () => shown().filter((e) => !e.children.length && !FORM.test(e.localName) && clean(e.textContent));
  const NUMBER = /^[-\u2212+]?\d[\d,]*(\.\d+)?$/;
  const number = (text) => +text.replace(/,/g, '').replace('\u2212', '-');

  // --- Records: parts alike, side by side. ---
  const groups = () => {
    const found = [];
    for (const p of [document.body, ...shown()]) {
      if (!p || p.children.length < 2) continue;
      const kinds = new Map();
      for (const c of p.children) {
        const key = c.localName + '.' + (typeof c.className === 'string' ? c.className : '');
        if (!T.skip.test(c.localName) && T.visible(c)) kinds.set(key, [...(kinds.get(key) || []), c]);
      }
      for (const some of kinds.values()) if (some.length > 1) found.push(some);
    }
    return found;
  };
  const all = (pattern, text, value) => [...text.matchAll(pattern)].map(value);
  const MEASURES = {
    price: (t) => all(/[$€£¥]\s?(\d[\d,]*(?:\.\d+)?)|(\d[\d,]*(?:\.\d+)?)\s?(?:[€£¥]|USD|EUR|GBP)/g, t, (m) => number(m[1] || m[2])),
    duration: (t) => all(/(?<![\d:])(?:(\d+)\s*(?:d|days?)\b\s*,?\s*)?(?:(\d+)\s*(?:h|hrs?|hours?)\b\s*,?\s*)(?:(\d+)\s*(?:m|mins?|minutes?)\b)?|(?<![\d:])(\d+)\s*(?:m|mins?|minutes?)\b/gi, t,
      (m) => (m[4] ? +m[4] : (+m[1] || 0) * 1440 + +m[2] * 60 + (+m[3] || 0))),
    number: (t) => all(/(?<![\w.])[-\u2212]?\d[\d,]*(?:\.\d+)?(?!\w)/g, t, (m) => number(m[0])),
  };
  const CONTROL = 'button,a[href],input[type=submit],input[type=button],[role=button],[onclick]';
  const controls = (e) => (e.matches(CONTROL) ? [e] : [...e.querySelectorAll(CONTROL)].filter((c) => T.visible(c)));
  // The record that has the most (`way` 1) or least (-1) of something, and what to press in it: its
  // only button, or the one called `verb`; else itself.
  T.extreme = (way, of, verb) => {
    const valid = [];
    for (const some of groups()) {
      const values = some.map((e) => MEASURES[of](textOf(e)));
      if (values.every((v) => v.length === 1)) valid.push({ some, values: values.map((v) => v[0]) });
    }
    // Of groups inside each other, the outer one has the buttons.
    const outer = valid.filter((g) => !valid.some((o) => o !== g && o.some.some((e) => e !== g.some[0] && T.holds(e, g.some[0]))));
    if (outer.length !== 1) return { why: outer.length ? 'many' : 'none', count: outer.length };
    const { some, values } = outer[0], top = way > 0 ? Math.max(...values) : Math.min(...values);
    if (values.filter((v) => v === top).length > 1) return { why: 'tie', count: some.length };
    const e = some[values.indexOf(top)], presses = controls(e);
    const called = presses.filter((c) => verb && fold(T.name(c)).split(' ')[0] === verb);
    const press = called.length === 1 ? called[0] : presses.length === 1 ? presses[0] : presses.length ? null : e;
    if (!press) return { why: 'controls', count: presses.length };
    return { ref: T.remember(press), what: T.describe(press), value: top, count: some.length };
  };

  // --- Sums. ---
  const tokens = (text) => {
    const whole = text.trim().replace(/[?_…]+$/, '').trim().replace(/=$/, '');
    const list = whole.match(/\d+(?:\.\d+)?|[-+*\/×÷·−()]|\S/g) || [];
    return list.map((t) => t.replace('−', '-').replace(/[×·]/, '*').replace('÷', '/'));
  };
  const calculate = (list) => {
    let i = 0;
    const atom = () => {
      const t = list[i++];
      if (t === '-') return -atom();
      if (t === '(') { const v = sum(); if (list[i++] !== ')') throw 0; return v; }
      if (!/^\d/.test(t || '')) throw 0;
      return +t;
    };
    const product = () => {
      let v = atom();
      while (list[i] === '*' || list[i] === '/') v = list[i++] === '*' ? v * atom() : v / atom();
      return v;
    };
    const sum = () => {
      let v = product();
      while (list[i] === '+' || list[i] === '-') v = list[i++] === '+' ? v + product() : v - product();
      return v;
    };
    const v = sum();
    if (i !== list.length) throw 0;
    return v;
  };
  const solve = (text) => {
    const list = tokens(text);
    // "555-1234" and "2026-03-14" ask for nothing.
    if (!/=|\?|\d\)?\s+[-+*\/×÷·−]\s+\(?\d/.test(text)) return null;
    if (list.filter((t) => /^\d/.test(t)).length < 2 || !list.some((t) => /^[-+*/]$/.test(t))) return null;
    try {
      return calculate(list);
    } catch {
      return null;
    }
  };
  const times = (text) => text.replace(/(\d)\s*[xX]\s*(?=\d)/g, '$1 * ');
  // The answer of the only sum on the page.
  T.answer = () => {
    const found = new Map();
    for (const e of shown()) {
      if (FORM.test(e.localName) || e.localName === 'body') continue;
      const text = textOf(e), value = text.length < 80 ? solve(times(text)) : null;
      if (value !== null && Number.isFinite(value)) found.set(times(text).replace(/\s*=\s*$/, ''), value);
    }
    const values = [...new Set(found.values())];
    if (values.length !== 1) return { count: values.length };
    return { count: 1, text: String(+values[0].toFixed(6)) };
  };
  // The only text that stands on the page beside fields and buttons, as a person reads it: letters set one by one are one word.
  T.standingText = () => {
    const parts = leaves().filter((e) => !e.closest('button,a,label,h1,h2,h3,h4,h5,h6,[role=button]'));
    if (!parts.length) return { count: 0 };
    const blocks = new Map();
    for (const e of parts) {
      let b = e;
      while (b.parentElement && (/^inline/.test(getComputedStyle(b).display))) b = b.parentElement;
      blocks.set(b, (blocks.get(b) || 0) + 1);
    }
    const outer = [...blocks.keys()].filter((b) => !b.querySelector('input,textarea,select,button'));
    return outer.length === 1 ? { count: 1, text: clean(outer[0].textContent) } : { count: outer.length };
  };

  // --- Things in order. ---
  const compare = (noun) => (noun === 'number' ? (a, b) => number(a) - number(b) : (a, b) => a.localeCompare(b));
  // The first entry of the only list of numbers (or words) that is not where it belongs: where it must go.
  T.nextToSort = (noun, way) => {
    const fit = (e) => { const t = textOf(e); return noun === 'number' ? NUMBER.test(t) : t && t.length < 60; };
    const lists = groups().filter((g) => g.every(fit) && !g.some((e) => FORM.test(e.localName) || e.matches('button,[role=button],option')));
    const outer = lists.filter((g) => !lists.some((o) => o !== g && o.some((e) => e !== g[0] && T.holds(e, g[0]))));
    if (outer.length !== 1) return { why: outer.length ? 'many' : 'none' };
    const have = outer[0].map(textOf), want = have.slice().sort((a, b) => way * compare(noun)(a, b));
    const at = have.findIndex((t, i) => t !== want[i]);
    return at < 0 ? { sorted: true } : { ref: T.remember(outer[0][have.indexOf(want[at], at)]), place: at + 1 };
  };

  // --- Conditions on a number that the page shows. ---
  const holds = (v, test) => (test.is === 'odd' ? Math.abs(v % 2) === 1 : test.is === 'even' ? v % 2 === 0 : test.is === '<' ? v < test.than : test.is === '<=' ? v <= test.than
    : test.is === '>' ? v > test.than : test.is === '>=' ? v >= test.than : v === test.than);
  const besides = (label) => {
    const want = fold(label), found = [];
    for (const e of leaves()) {
      const text = fold(e.textContent).replace(/:$/, ''), next = e.nextElementSibling;
      if (text !== want && !text.split(' ').includes(want)) continue;
      const m = next && T.visible(next) && /^[$€£]?\s?([-\u2212]?\d[\d,]*(?:\.\d+)?)$/.exec(clean(next.textContent));
      if (m) found.push(next);
    }
    return found;
  };
  const valueIn = (e) => number(clean(e.textContent).replace(/[$€£\s]/g, ''));
  // The only number that stands by itself outside of buttons.
  const alone = () => leaves().filter((e) => NUMBER.test(clean(e.textContent)) && !e.closest('button,a,label,td,[role=button]'));
  T.numberFits = (test) => {
    const found = alone();
    if (found.length > 1) return { why: 'many', count: found.length };
    return found.length ? { value: valueIn(found[0]), fits: holds(valueIn(found[0]), test) } : { fits: false };
  };
  // Waits until the number beside the label fits.
  T.whenNumber = (label, test, ms) => T.until(() => {
    const found = besides(label);
    if (found.length !== 1) return { why: found.length ? 'many' : 'none', count: found.length };
    const value = valueIn(found[0]);
    return holds(value, test) ? { value } : { why: 'waiting', value };
  }, ms);

  // --- Forms. ---
  const fields = () => shown().filter((e) => /^(input|textarea)$/.test(e.localName) && !/^(button|submit|reset|checkbox|radio|file|image|hidden|range)$/.test(e.type) && !T.disabled(e) && !e.readOnly);
  const labelAround = (e) => {
    const own = T.label(e);
    if (own) return own;
    for (let n = e.nextElementSibling; n; n = n.nextElementSibling) if (clean(n.textContent)) return clean(n.textContent);
    return '';
  };
  T.labelledFields = () => fields().map((e) => ({ ref: T.remember(e), label: labelAround(e).replace(/:$/, ''), empty: !e.value, placeholder: e.placeholder || '' }));
  // Which words of a sentence belong into which field: "thrillers directed by Berg from year 1999".
  const stem = (a, b) => { let i = 0; while (i < a.length && a[i] === b[i]) i++; return i; };
  const akin = (word, label) => fold(label).split(/[^\p{L}\p{N}]+/u).some((l) => l && l.length > 3 && (l === word || l === word.replace(/s$/, '') || stem(l, word) >= 5));
  const LINK = /^(by|is|of|from|named|called|in|for|with|the|a|an|and|as|on|at|to|=|:)$/;
  T.fieldsByWords = (text) => {
    const words = text.split(/\s+/).filter(Boolean), low = words.map((w) => w.toLowerCase().replace(/[,.:]$/, '')), used = new Set();
    const open = T.labelledFields().filter((f) => f.label);
    if (open.length < 2 || open.length > 8) return { why: 'none' };
    const cue = (f) => low.findIndex((w, i) => !used.has(i) && !LINK.test(w) && akin(w, f.label));
    const out = [], take = (f, from) => {
      let i = from;
      while (i < low.length && LINK.test(low[i])) used.add(i++);
      const value = [];
      while (i < low.length && !LINK.test(low[i]) && !used.has(i) && !open.some((o) => o !== f && akin(low[i], o.label))) { used.add(i); value.push(words[i++].replace(/[,.]$/, '')); }
      if (value.length) out.push({ ref: f.ref, value: value.join(' '), label: f.label });
      return value.length > 0;
    };
    const cued = open.map((f) => [f, cue(f)]).filter(([, i]) => i >= 0).sort((a, b) => b[1] - a[1]);
    for (const [f, i] of cued) { used.add(i); if (!take(f, i + 1)) return { why: 'none' }; }
    // A year goes where a date is asked for.
    const free = () => open.filter((f) => !out.some((o) => o.ref === f.ref));
    const year = low.findIndex((w, i) => !used.has(i) && /^(19|20)\d\d$/.test(w)), dates = free().filter((f) => /date|year|released|when/i.test(f.label));
    if (year >= 0 && dates.length === 1) { used.add(year); out.push({ ref: dates[0].ref, value: words[year], label: dates[0].label }); }
    // What is left belongs to the only field that is left; the kind of thing that is looked for is no value.
    const noise = (w) => LINK.test(w) || w === 'year' || w === 'date';
    const left = low.map((w, i) => i).filter((i) => !used.has(i) && !noise(low[i]));
    if (left.length > 1 && /s$/.test(low[left[left.length - 1]])) left.pop();
    if (free().length > 1 || (free().length === 1) !== left.length > 0) return { why: 'many' };
    if (free().length) out.push({ ref: free()[0].ref, label: free()[0].label, value: left.map((i) => words[i]).join(' ') });
    return { fields: out };
  };
  // What stands right of a label, or below it, or after it in its part: the thing itself.
  T.thingBeside = (label, scope) => {
    const want = fold(label).replace(/:$/, ''), first = want.split(' ')[0], found = new Set();
    const near = (e) => {
      if (!scope) return true;
      for (let n = e, up = 0; n && n.localName !== 'body' && up < 6; n = n.parentElement, up++) if (fold(n.innerText).includes(fold(scope))) return true;
      return false;
    };
    for (const e of leaves()) {
      const text = fold(e.textContent).replace(/:$/, '');
      if ((text !== want && text !== first) || !near(e)) continue;
      const next = e.nextElementSibling || (e.parentElement && e.parentElement.nextElementSibling);
      if (!next || !T.visible(next) || !clean(next.textContent)) continue;
      const link = next.matches('a,button') ? next : next.querySelector('a,button') || next;
      found.add(link);
    }
    return [...found].map((e) => ({ ref: T.remember(e), what: T.describe(e) }));
  };
})();
