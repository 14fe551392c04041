// The OpenAPI 3.1 document, made of the operations' rows and assets/api/schemas.json.
#pragma once

#include "base/json.h"

namespace troupe::api {

json::object openapi_document();

}  // namespace troupe::api
