// Shows what was refused on asynq's pages, and where to go instead: asynqmon keeps
// such an answer to itself.
(() => {
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...args) {
    this.addEventListener('load', () => {
      if (![401, 403, 409, 413, 503].includes(this.status)) return;
      const to = /^<(\/[^/>][^>]*|\/)>/.exec(this.getResponseHeader('Link') || '');
      const link = document.createElement('a');
      link.textContent = this.responseText;
      link.href = to ? to[1] : '/';
      const note = document.getElementById('ecpayq-note');
      note.replaceChildren(link);
      note.hidden = false;
      note.onclick = () => { note.hidden = true; };
    });
    return send.apply(this, args);
  };
})();
