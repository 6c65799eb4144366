#include "admin/mail.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "net/reachable.h"
#include "storage/whole_file.h"

namespace tollgate::admin {

namespace {

constexpr std::size_t kPasswordBytesMax = 4096;
constexpr long kCancelled = 1;  // What a callback of curl says to end it.

struct Freed {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// What the callbacks of one mail know.
struct Sending {
  const MailRequest& request;
  const std::atomic<bool>& closed;
  std::size_t read = 0;
  bool is_inward = false;
};

std::size_t read_text(char* out, std::size_t size, std::size_t count, void* of) {
  Sending& sending = *static_cast<Sending*>(of);
  const std::string& text = sending.request.text;
  const std::size_t part = std::min(size * count, text.size() - sending.read);
  std::memcpy(out, text.data() + sending.read, part);
  sending.read += part;
  return part;
}

int is_given_up(void* of, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const Sending*>(of)->closed.load() ? kCancelled : 0;
}

curl_socket_t open_socket(void* of, curlsocktype, curl_sockaddr* to) {
  Sending& sending = *static_cast<Sending*>(of);
  net::Address address;
  address.length = std::min<socklen_t>(to->addrlen, sizeof address.storage);
  std::memcpy(&address.storage, &to->addr, address.length);  // As long as its family has it.
  if (!net::may_connect(sending.request.addresses, address)) {
    sending.is_inward = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

FaultOr<std::string> password_of(const MailRequest& request) {
  if (request.password_file.empty()) return std::string(request.password.reveal());
  std::optional<std::string> text = storage::whole_file(request.password_file, kPasswordBytesMax);
  if (text) text->erase(text->find_last_not_of("\r\n") + 1);
  if (text && !text->empty()) return std::move(*text);
  return fault(FaultKind::kBroken, fmt::format("{}: there is no password in `{}`", request.asked,
                                               request.password_file));
}

void set_server(CURL* curl, Sending& sending, const std::string& password) {
  const MailRequest& request = sending.request;
  const bool may_be_plain =
      request.addresses == config::Addresses::kInternalToo && request.user.empty();
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // Whatever the environment says.
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  // Else whoever gives up, and the gateway's end, would wait for a name server that hangs: the
  // system's resolver cannot be interrupted, and its thread ends by its own time.
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(curl, CURLOPT_USE_SSL,
                   static_cast<long>(may_be_plain ? CURLUSESSL_TRY : CURLUSESSL_ALL));
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!request.certificate_authority.empty()) {
    const std::string& pem = request.certificate_authority.pem;
    curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!request.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, request.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password.c_str());
  }
  const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(request.timeout).count();
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout));
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &sending);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_given_up);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &sending);
}

// What went wrong, in words of ours and of curl's, which name no secret.
Fault fault_of(const Sending& sending, CURLcode code, long answer, const char* words) {
  const std::string& asked = sending.request.asked;
  if (sending.closed.load()) return {FaultKind::kCancelled, "the gateway ends"};
  if (sending.is_inward) {
    return {FaultKind::kUnreachable, fmt::format("{}: {}", asked, net::kInternalAddress)};
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {FaultKind::kTimeout, fmt::format("{}: the mail server did not answer in time", asked)};
  }
  const std::string what = *words != '\0' ? words : curl_easy_strerror(code);
  if (answer >= 400) {
    return {FaultKind::kRefusedByPeer,
            fmt::format("{}: the mail server answers with {}: {}", asked, answer, what)};
  }
  return {FaultKind::kUnreachable, fmt::format("{}: {}", asked, what)};
}

FaultOr<void> send_now(const MailRequest& request, const std::atomic<bool>& closed) {
  if (closed.load()) return fault(FaultKind::kCancelled, "the gateway ends");
  const FaultOr<std::string> password = password_of(request);
  if (!password) return std::unexpected(password.error());
  const std::unique_ptr<CURL, Freed> curl(curl_easy_init());
  CHECK(curl != nullptr);
  Sending sending{request, closed};
  set_server(curl.get(), sending, *password);
  curl_slist* list = nullptr;
  for (const std::string& one : request.to) list = curl_slist_append(list, one.c_str());
  const std::unique_ptr<curl_slist, Freed> to(list);
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_FROM, request.from.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT, to.get());
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, read_text);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &sending);
  std::array<char, CURL_ERROR_SIZE> words{};
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, words.data());
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_OK) return {};
  long answer = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer);
  return std::unexpected(fault_of(sending, code, answer, words.data()));
}

}  // namespace

struct SmtpMail::State {
  struct Waiting {
    explicit Waiting(const MailRequest& request) : request(request) {}
    const MailRequest& request;
    FaultOr<void> result;
    std::coroutine_handle<> sender;
  };
  // Awaited once, on the loop.
  struct Turn {
    State& state;
    Waiting& waiting;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> sender) {
      waiting.sender = sender;
      {
        const std::lock_guard lock(state.mutex);
        state.queue.push_back(&waiting);
      }
      state.more.notify_one();
    }
    void await_resume() {}
  };

  explicit State(Executor& loop) : loop(loop), thread([this] { run(); }) {}
  ~State() {
    {
      const std::lock_guard lock(mutex);
      ends = true;
      closed.store(true);
    }
    more.notify_one();
    thread.join();
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      more.wait(lock, [this] { return ends || !queue.empty(); });
      if (queue.empty()) return;
      Waiting* const next = queue.front();
      queue.pop_front();
      lock.unlock();
      next->result = send_now(next->request, closed);
      loop.post([next] { next->sender.resume(); });
      lock.lock();
    }
  }

  Executor& loop;
  std::mutex mutex;
  std::condition_variable more;
  std::deque<Waiting*> queue;
  std::atomic<bool> closed{false};
  bool ends = false;
  std::thread thread;
};

SmtpMail::SmtpMail(Executor& loop) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  state_ = std::make_unique<State>(loop);
}
SmtpMail::~SmtpMail() = default;

void SmtpMail::close() { state_->closed.store(true); }

Task<FaultOr<void>> SmtpMail::send(const MailRequest& request) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->queue.size() >= kWaitingMax) {
      co_return fault(FaultKind::kUnreachable,
                      fmt::format("{}: {} mails wait already", request.asked, kWaitingMax));
    }
  }
  State::Waiting waiting(request);
  State::Turn turn{*state_, waiting};
  co_await turn;
  co_return std::move(waiting.result);
}

}  // namespace tollgate::admin
