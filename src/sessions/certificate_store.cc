#include "sessions/certificate_store.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "base/json.h"
#include "base/random.h"
#include "base/text_file.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBytesMax = 256 << 10;
constexpr std::size_t kCertificatesMax = 1'000;

constexpr std::string_view kBegin = "-----BEGIN ";

// OpenSSL's own would ask at the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

Result<std::string> spki_hash(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  std::array<unsigned char, 32> digest{};
  unsigned length = 0;
  const bool hashed = size > 0 && EVP_Digest(der, static_cast<std::size_t>(size), digest.data(),
                                             &length, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  if (!hashed) return fail(Errc::invalid_argument, "certificate: its key cannot be read", "file");
  std::string text(4 * ((length + 2) / 3) + 1, '\0');
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(text.data()), digest.data(), static_cast<int>(length))));
  return text;
}

Error unknown(const std::string& id) {
  return fail(Errc::not_found, "certificate " + id.substr(0, 64) + ": not known here",
              "certificates");
}

std::optional<StoredCertificate> read_row(const fs::path& file) {
  const auto text = read_text_file(file.string(), kBytesMax);
  if (!text) return std::nullopt;
  const auto row = parse_json(*text, file.string());
  if (!row || !row->is_object()) return std::nullopt;
  const auto& object = row->get_object();
  StoredCertificate certificate;
  certificate.id = std::string(find_string(object, "id").value_or(""));
  certificate.project = std::string(find_string(object, "project").value_or(""));
  certificate.file = fs::path(file).replace_extension(".pem").string();
  auto pem = read_text_file(certificate.file, kBytesMax);
  if (!pem) return std::nullopt;
  certificate.created_at =
      WallTime(std::chrono::milliseconds(find_int(object, "created_at").value_or(0)));
  auto hashes = spki_hashes_of(*pem);
  if (!hashes || certificate.id != file.stem().string()) return std::nullopt;
  certificate.spki_hashes = std::move(*hashes);
  return certificate;
}

class FileCertificateStore final : public CertificateStore {
 public:
  FileCertificateStore(Clock& clock, std::string dir) : clock_(clock), dir_(std::move(dir)) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir_, error))
      if (entry.path().extension() == ".json")
        if (auto certificate = read_row(entry.path()))
          certificates_.emplace(certificate->id, std::move(*certificate));
  }

  // What is to be removed shall be.
  ~FileCertificateStore() override { files_.join(); }

  Async<StoredCertificate> add(Context& ctx, std::string project, std::string pem) override {
    if (certificates_.size() >= kCertificatesMax)
      co_return fail(Errc::exhausted,
                     "certificates: there are " + std::to_string(kCertificatesMax) + " already",
                     "certificates", "delete some");
    StoredCertificate certificate;
    CO_TRY(certificate.spki_hashes, spki_hashes_of(pem));
    certificate.id = random_.uuid();
    certificate.project = std::move(project);
    certificate.file = dir_ + "/" + certificate.id + ".pem";
    certificate.created_at = clock_.wall();
    const json::object row{{"id", certificate.id},
                           {"project", certificate.project},
                           {"created_at", to_unix_ms(certificate.created_at)}};
    std::function<Result<void>()> work = [file = certificate.file, pem = std::move(pem),
                                          row_file = row_of(certificate.id),
                                          text = json::serialize(row) + "\n"]() -> Result<void> {
      TRY_VOID(replace_text_file(file, pem));
      return replace_text_file(row_file, text);
    };
    const auto written = co_await run_blocking<void>(ctx, files_, std::move(work));
    if (!written) {
      // Whoever gave up on it shall not find it after a restart. One thread: behind the write.
      asio::post(files_, [file = certificate.file, row = row_of(certificate.id)] {
        std::error_code ignored;
        fs::remove(row, ignored);
        fs::remove(file, ignored);
      });
      co_return written.error();
    }
    certificates_.emplace(certificate.id, certificate);
    co_return certificate;
  }

  Result<StoredCertificate> find(const std::string& id) const override {
    const auto found = certificates_.find(id);
    if (found == certificates_.end()) return unknown(id);
    return found->second;
  }

  std::vector<StoredCertificate> list() const override {
    std::vector<StoredCertificate> all;
    for (const auto& [id, certificate] : certificates_) all.push_back(certificate);
    std::ranges::sort(all, {}, &StoredCertificate::created_at);
    return all;
  }

  Async<void> remove(Context&, std::string id) override {
    if (!certificates_.contains(id)) co_return unknown(id);
    std::error_code error;
    fs::remove(row_of(id), error);
    if (!error) fs::remove(certificates_.at(id).file, error);
    if (error)
      co_return fail(Errc::storage_failed, "certificate " + id + ": " + error.message(),
                     "data_dir");
    certificates_.erase(id);
    co_return Result<void>{};
  }

 private:
  std::string row_of(const std::string& id) const { return dir_ + "/" + id + ".json"; }

  Clock& clock_;
  std::string dir_;
  Random random_ = Random::from_system();
  std::map<std::string, StoredCertificate> certificates_;
  asio::thread_pool files_{1};
};

}  // namespace

Result<std::vector<std::string>> spki_hashes_of(const std::string& pem) {
  const auto refuse = [](std::string what) {
    return fail(Errc::invalid_argument, "certificate: " + std::move(what), "file",
                "upload certificates as PEM: -----BEGIN CERTIFICATE-----");
  };
  if (pem.size() > kBytesMax)
    return refuse(std::to_string(pem.size()) + " bytes exceed " + std::to_string(kBytesMax));
  if (pem.find("PRIVATE KEY-----") != std::string::npos) return refuse("has a private key in it");
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<std::string> hashes;
  while (true) {
    const std::unique_ptr<X509, Free> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (!certificate) break;
    TRY(auto hash, spki_hash(certificate.get()));
    hashes.push_back(std::move(hash));
  }
  std::size_t begun = 0;
  for (auto at = pem.find(kBegin); at != std::string::npos; at = pem.find(kBegin, at + 1)) ++begun;
  if (!hashes.empty() && begun != hashes.size())
    return refuse("part " + std::to_string(hashes.size() + 1) + " is no certificate");
  if (hashes.empty()) return refuse("no certificate in PEM form in it");
  return hashes;
}

Result<std::unique_ptr<CertificateStore>> make_certificate_store(Clock& clock, std::string dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error)
    return fail(Errc::storage_failed, "certificates folder " + dir + ": " + error.message(),
                "data_dir", "free disk space, or set data_dir to a folder that can be written");
  std::unique_ptr<CertificateStore> store =
      std::make_unique<FileCertificateStore>(clock, std::move(dir));
  return store;
}

}  // namespace troupe::sessions
