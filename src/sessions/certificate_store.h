// Uploaded certificates of authorities that a session shall trust (PEM), kept in
// `<data_dir>/certificates`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async.h"

namespace troupe::sessions {

struct StoredCertificate {
  std::string id;  ///< UUID.
  std::string project;
  std::string file;                      ///< PEM: one certificate or several.
  std::vector<std::string> spki_hashes;  ///< Of each one's public key: SHA-256, base64.
  WallTime created_at{};
};

/// Seam. Threads: engine.
class CertificateStore {
 public:
  virtual ~CertificateStore() = default;
  /// Errors: invalid_argument (no certificate in it, a private key, too long), exhausted,
  /// storage_failed.
  virtual Async<StoredCertificate> add(Context& ctx, std::string project, std::string pem) = 0;
  /// Errors: not_found.
  virtual Result<StoredCertificate> find(const std::string& id) const = 0;
  virtual std::vector<StoredCertificate> list() const = 0;  ///< Oldest first.
  /// Errors: not_found, storage_failed.
  virtual Async<void> remove(Context& ctx, std::string id) = 0;
};

/// Keeps them in `dir`, which is made; reads what is there. Errors: storage_failed.
Result<std::unique_ptr<CertificateStore>> make_certificate_store(Clock& clock, std::string dir);

/// The SHA-256 of each certificate's public key as base64.
/// Errors: invalid_argument (none in it, or more than text and certificates).
Result<std::vector<std::string>> spki_hashes_of(const std::string& pem);

}  // namespace troupe::sessions
