// What is kept beside the sessions, in one place.
#pragma once

#include <memory>

namespace troupe::sessions {

class ContextStore;
class ExtensionStore;
class CertificateStore;
class SessionFiles;
class UsageLedger;

/// Null: not offered by this service.
struct Stores {
  ContextStore* contexts = nullptr;
  ExtensionStore* extensions = nullptr;
  CertificateStore* certificates = nullptr;
  SessionFiles* files = nullptr;
  UsageLedger* usage = nullptr;
};

}  // namespace troupe::sessions
