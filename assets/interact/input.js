// Text fields and the focus: what the mouse alone does not do.
(() => {
  const T = globalThis.__troupe;
  if (T.has.input) return;
  T.has.input = 1;

  const DIRECT = /^(date|time|datetime-local|month|week|color|range)$/;
  const TICKS = /^(checkbox|radio)$/;
  const tell = (e, ...names) => {
    for (const name of names) e.dispatchEvent(new Event(name, { bubbles: true, composed: true }));
  };
  // Past a framework's own property on the element, so that it sees the change.
  const setValue = (e, value) => {
    const view = e.ownerDocument.defaultView;
    const proto = e.localName === 'textarea' ? view.HTMLTextAreaElement : view.HTMLInputElement;
    const own = Object.getOwnPropertyDescriptor(proto.prototype, 'value');
    if (own && own.set && /^(input|textarea)$/.test(e.localName)) own.set.call(e, value);
    else if ('value' in e) e.value = value;
    else e.textContent = value;
    tell(e, 'input', 'change');
  };
  const native = (e, value) => (/^(date|time)$/.test(e.type) && T.want('controls') ? T.dated(e, value) : value);
  const fillable = (e) => /^(input|textarea|select)$/.test(e.localName) || e.isContentEditable;
  // The field itself, or the one inside what was named (a label, a component around it).
  const fieldOf = (e) => {
    if (fillable(e)) return e;
    if (e.localName === 'label' && e.control) return e.control;
    const inside = T.everything(e).filter((c) => fillable(c) && T.visible(c));
    return inside.length === 1 ? inside[0] : null;
  };
  const selectAll = (e) => {
    e.focus({ preventScroll: true });
    if (e.select && e.localName !== 'select') return e.select();
    const range = e.ownerDocument.createRange();
    range.selectNodeContents(e);
    const selection = e.ownerDocument.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  // Waits for the field and gets it ready for typed text. `mode`: type (the text must be inserted now),
  // done, tick or list (other actions are meant).
  T.fill = async (q, value, ms) => {
    const r = await T.ready(q, { enabled: true, editable: true, mark: true, text: value }, ms);
    if (r.why) return r;
    const e = fieldOf(T.refs[r.ref]);
    if (!e || e.type === 'file' || /^(submit|button|reset|image)$/.test(e.localName === 'input' ? e.type : ''))
      return { why: 'unfillable', some: [r.what], count: 1 };
    r.ref = T.remember(e);
    e.scrollIntoView({ block: 'nearest', behavior: 'instant' });
    if (TICKS.test(e.type)) r.mode = 'tick';
    else if (e.localName === 'select') r.mode = 'list';
    else if (e.localName === 'input' && DIRECT.test(e.type)) {
      e.focus({ preventScroll: true });
      setValue(e, native(e, value));
      r.mode = 'done';
    } else {
      selectAll(e);
      if (value === '') {
        if (T.valueOf(e) !== '') e.ownerDocument.execCommand('delete');
        r.mode = 'done';
      } else r.mode = 'type';
    }
    return r;
  };
  const digits = (s) => s.replace(/[^\p{L}\p{N}]/gu, '').toLowerCase();
  // Reads back what the field holds; a field that swallowed the text is set directly, once.
  T.filled = async (ref, value) => {
    const e = T.refs[ref];
    value = native(e, value);
    const text = () => T.valueOf(e).replace(/\r\n/g, '\n').replace(/\n$/, '').replace(/\u00a0/g, ' ');
    const holds = () => text() === value.replace(/\r\n/g, '\n').replace(/\n$/, '');
    let direct = false;
    if (!holds() && digits(text()) !== digits(value) && e.isConnected && !e.readOnly && !T.disabled(e)) {
      setValue(e, value);
      direct = true;
      await T.frame();
    }
    const same = holds() || (digits(value) !== '' && digits(text()) === digits(value));
    return { same, holds: text(), direct, ...T.changes() };
  };

  T.focus = async (q, ms) => {
    if (!q) { T.mark(T.active()); return {}; }
    const r = await T.ready(q, { enabled: true, mark: true }, ms);
    if (r.why) return r;
    const e = T.refs[r.ref], fresh = T.active() !== e;
    e.focus();
    // As after a click behind the text: typing goes on at its end.
    const text = /^(input|textarea)$/.test(e.localName) && !/^(email|number|date|time|checkbox|radio|range|color|file)$/.test(e.type);
    if (fresh && text) e.setSelectionRange(e.value.length, e.value.length);
    return r;
  };
  Object.assign(T, { tell });
})();
