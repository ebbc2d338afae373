// Draws the OpenAPI document. The key that is typed into "Authorize" stays in the page's memory.
const calls = document.getElementById("calls");
SwaggerUIBundle({
  domNode: calls,
  url: calls.dataset.document,
  deepLinking: true,
  validatorUrl: null, // would send the document to a service outside
  displayRequestDuration: true,
  persistAuthorization: false,
});
