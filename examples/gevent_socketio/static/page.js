/* What the pages share. */

/** Return the element with an id. */
function the(id) {
  return document.getElementById(id);
}

/** Add a line to the log, and show it. */
function show(text) {
  var line = the('log').appendChild(document.createElement('li'));
  line.textContent = text;
  line.scrollIntoView({ block: 'nearest' });
}

/** Connect to a namespace, "/" for the global one, and let the page show whether it is connected. */
function connect(name) {
  var socket = io.connect(name);
  window.addEventListener('pagehide', function () { // or a client of 0.9 is missed after the close timeout only
    (socket.socket || socket).disconnect();
  });
  socket.on('connect', function () { document.body.className = 'connected'; });
  socket.on('disconnect', function () { document.body.className = ''; });
  socket.on('error', function (name, text) { show('Error: ' + (text || name)); });
  return socket;
}

/** Call a function with the text of a form's only field when it is sent, and empty the field. */
function onText(form, act) {
  var field = the(form).elements[0];
  the(form).onsubmit = function () {
    if (field.value) act(field.value);
    field.value = '';
    return false;
  };
}

window.addEventListener('pageshow', function (event) {
  if (event.persisted) location.reload(); // back from another page, without its connection
});

if (!window.io) {
  var missing = document.createElement('p');
  missing.setAttribute('role', 'alert');
  missing.textContent = 'The Socket.IO client is missing: README.md says how to install it.';
  document.body.insertBefore(missing, document.body.firstChild);
}
