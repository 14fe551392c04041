// `troupe config show` and `troupe version`.
#include <openssl/crypto.h>
#include <boost/version.hpp>

#include "app/commands.h"
#include "app/table.h"
#include "app/text.h"
#include "config/fields.h"

namespace troupe::app {

int show_config(const Invocation& invocation, const config::Loaded& loaded) {
  json::object values;
  Table table{{"setting", "value"}, {}};
  if (invocation.origin) table.headers.push_back("origin");
  for (const auto& field : config::fields()) {
    const std::string name(field.name);
    const std::string& origin = loaded.origins.at(name);
    const json::value value = config::value_of(loaded.settings, field);
    values[name] =
        invocation.origin ? json::value(json::object{{"value", value}, {"origin", origin}}) : value;
    auto& row =
        table.rows.emplace_back(std::vector{name, config::show_value(loaded.settings, field)});
    if (invocation.origin) row.push_back(origin);
  }
  if (invocation.output == Output::json)
    print(pretty(values));
  else
    print_lines(render_table(table, std::max(terminal_width(1), 60)));
  return 0;
}

int show_version(const Invocation& invocation) {
  const std::string boost =
      std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000);
  json::object versions{{"troupe", TROUPE_VERSION}, {"compiler", __VERSION__}, {"boost", boost}};
  versions["openssl"] = OpenSSL_version(OPENSSL_VERSION_STRING);
  if (invocation.output == Output::json) {
    print(pretty(versions));
    return 0;
  }
  print("troupe " TROUPE_VERSION " (" __VERSION__ ", Boost " + boost + ", " +
        OpenSSL_version(OPENSSL_VERSION) + ")\n");
  return 0;
}

}  // namespace troupe::app
