import ArgumentParser
import CanonicalJSON
import Catalog
import DaybookClient
import Domain
import EventLog
import Refusals
import Server
import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// Why the program ends without having done what it was asked: what is wrong, where, and what to do next.
struct Failure: Error, Sendable {
  /// The exit codes, as `daybook --help` lists them.
  enum Status: Int32, Sendable {
    case refused = 1
    case damaged = 2
    case usage = 64
    case unavailable = 69
  }

  let status: Status
  /// A sentence for a person.
  let what: String
  /// The file, address or method that it is about.
  var place: String?
  /// What to do.
  var next: String?
  /// What a program gets besides: the server's error as it came.
  var data: JSONObject = [:]

  init(_ status: Status, _ what: String, place: String? = nil, next: String? = nil, data: JSONObject = [:]) {
    self.status = status
    self.what = what
    self.place = place
    self.next = next
    self.data = data
  }

  /// The failure that an error from below amounts to.
  init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as ClientError: self.init(client: error)
    case let error as EventLogError: self.init(log: error)
    case let error as VaultError:
      self.init(.unavailable, error.message)
    case let error as CatalogError:
      self.init(
        .usage, "The catalog has mistakes.", place: error.problems.map(\.description).joined(separator: "\n      "),
        next: "Correct them and start again.")
    case let error as ServerStartError: self.init(.usage, error.message)
    case let error as Refusal:
      self.init(error.code.isTransient ? .unavailable : .refused, error.message, data: error.json.objectValue ?? [:])
    default: self.init(.refused, String(describing: error))
    }
  }

  private init(client error: ClientError) {
    switch error {
    case .remote(let refusal):
      let problems = (refusal.data["problems"]?.arrayValue ?? []).compactMap { problem -> String? in
        guard let path = problem["path"]?.stringValue, let text = problem["problem"]?.stringValue else { return nil }
        return "\(path) \(text)"
      }
      self.init(
        refusal.code?.isTransient == true ? .unavailable : .refused, Self.sentence(refusal.message, problems.count),
        place: problems.count > 1 ? problems.joined(separator: "\n      ") : nil, next: Self.advice(refusal),
        data: refusal.json.objectValue ?? [:])
    case .unreachable(let reason): self.init(.unavailable, reason, next: Self.advice(unreachable: reason))
    case .closed:
      self.init(
        .unavailable, error.description, next: "Ask again; whether a command was applied, its history tells.")
    case .endpoint: self.init(.usage, error.description)
    case .malformed: self.init(.unavailable, error.description, next: "Is it Daybook that listens there?")
    }
  }

  private init(log error: EventLogError) {
    switch error.code {
    case .damaged: self.init(.damaged, error.message)
    default: self.init(.unavailable, error.message)
    }
  }

  /// A refusal's message as one sentence: with one mark at its end, and the list that follows in place of a member's
  /// name.
  private static func sentence(_ message: String, _ problems: Int) -> String {
    var text = message
    for end in ["..", "?.", "!."] where text.hasSuffix(end) { text.removeLast() }
    return problems > 1 && text.hasSuffix("; see problems.") ? text.dropLast("; see problems.".count) + ":" : text
  }

  /// What helps where no connection could be made, by what the client's sentence says of it.
  private static func advice(unreachable reason: String) -> String {
    let known = [
      ("isn't signed by", "Give the certificate of its authority, a PEM file, with --tls-ca or DAYBOOK_TLS_CA."),
      ("certificate expired", "Let the server have a new certificate, and start it again."),
      ("for another name", "Connect to a name that stands in the certificate."),
      ("speaks no TLS", "Connect to tcp:HOST:PORT, or start the server with --tls-certificate and --tls-key."),
      ("authorities", "Name a PEM file that this user may read with --tls-ca or DAYBOOK_TLS_CA."),
      ("holds no certificate", "Name a PEM file of certificates with --tls-ca or DAYBOOK_TLS_CA."),
      (
        "may not reach",
        "Run it as the user that runs the server, or as root; daybook serve --socket PATH --allow-uid UID lets others in."
      ), ("no host of this name", "Check the name behind --connect, or in DAYBOOK_CONNECT."),
    ]
    return known.first { reason.contains($0.0) }?.1
      ?? "Is the server running (daybook serve)? Say where it listens with --connect or DAYBOOK_CONNECT."
  }

  private static func advice(_ refusal: ReceivedRefusal) -> String? {
    switch refusal.code {
    case .unauthenticated:
      return "Sign in: daybook login, or give an API key (DAYBOOK_API_KEY) or an e-mail address (--email)."
    case .stale: return "Ask again in a moment; daybook projections shows how far the read models are."
    case .unavailable: return "daybook status shows what is away."
    case .overloaded: return "Ask again in a moment."
    case .tooLarge where refusal.message.hasPrefix("A line may have"):
      return "Send less at once, or start the server with a larger --max-line."
    case .methodNotFound:
      // The message has told the nearest already; there may be more.
      let others = (refusal.data["suggestions"]?.arrayValue ?? []).compactMap(\.stringValue).dropFirst()
      return others.isEmpty
        ? "daybook call rpc.discover lists every method." : "There is \(others.joined(separator: " and ")), too."
    default: return nil
    }
  }

  /// Tells the failure on standard error, as JSON where `--json` is given, and ends the process with its exit code.
  static func end(with error: any Error) -> Never {
    if error is ExitCode || error is CleanExit || error is ValidationError || isFromParser(error) {
      endAsParsed(error)
    }
    let failure = Failure(error)
    if CommandLine.arguments.contains("--json") {
      var object = failure.data
      if object["message"] == nil { object["message"] = .string(failure.what) }
      if let place = failure.place { object["place"] = .string(place) }
      if let next = failure.next { object["next"] = .string(next) }
      Terminal.complain(JSON.object(["error": .object(object)]).canonicalString)
    } else {
      Terminal.complain("daybook: \(plain(failure.what))")
      if let place = failure.place { Terminal.complain("      \(plain(place))") }
      if let next = failure.next { Terminal.complain("Next: \(plain(next))") }
    }
    exit(failure.status.rawValue)
  }

  /// A text of one or more lines, in which nothing acts on a terminal: names that others gave stand in refusals.
  private static func plain(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { Terminal.plain(String($0)) }
      .joined(separator: "\n")
  }

  /// Ends with what ArgumentParser says; a wrong command line is told as JSON where `--json` is given, and an unknown
  /// command with the one that may have been meant.
  private static func endAsParsed(_ error: any Error) -> Never {
    guard Daybook.exitCode(for: error) == .validationFailure else { Daybook.exit(withError: error) }
    if let unknown = CommandWords.unknown(CommandLine.arguments.dropFirst()) { end(with: unknown.failure) }
    guard CommandLine.arguments.contains("--json") else { Daybook.exit(withError: error) }
    end(with: Failure(.usage, Daybook.message(for: error), data: ["type": "usage"]))
  }

  /// Whether ArgumentParser made the error: it then knows what to print, and the code to end with.
  private static func isFromParser(_ error: any Error) -> Bool {
    Daybook.exitCode(for: error) != ExitCode.failure
  }
}
