#include "net/problem.h"

namespace troupe::net {

json::object problem(const Error& error, std::string_view instance, std::string_view trace_id,
                     int status) {
  const ErrorTraits& row = traits(error.code);
  if (status == 0) status = row.http_status;
  json::object body;
  body["type"] = "urn:troupe:error:" + std::string(row.name);
  body["title"] = row.title;
  body["status"] = status;
  body["detail"] = error.source.empty() ? error.message : error.message + " (" + error.source + ")";
  if (!instance.empty()) body["instance"] = instance;
  body["code"] = row.name;
  body["class"] = to_string(row.fault);
  body["retryable"] = row.retryable;
  if (!error.hint.empty()) body["hint"] = error.hint;
  if (!trace_id.empty()) body["trace_id"] = trace_id;
  body["statusCode"] = status;
  body["error"] = reason_phrase(status);
  body["message"] = error.message;
  return body;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return {};
  }
}

}  // namespace troupe::net
