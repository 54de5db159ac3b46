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
        refusal.code?.isTransient == true ? .unavailable : .refused, refusal.message,
        place: problems.count > 1 ? problems.joined(separator: "\n      ") : nil, next: Self.advice(refusal),
        data: refusal.json.objectValue ?? [:])
    case .unreachable(let reason):
      self.init(
        .unavailable, reason,
        next: "Is the server running (daybook serve)? Say where it listens with --connect or DAYBOOK_CONNECT.")
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

  private static func advice(_ refusal: ReceivedRefusal) -> String? {
    switch refusal.code {
    case .unauthenticated: return "Give an API key: DAYBOOK_API_KEY or --api-key."
    case .stale: return "Ask again in a moment; daybook projections shows how far the read models are."
    case .unavailable: return "daybook status shows what is away."
    case .overloaded: return "Ask again in a moment."
    case .methodNotFound:
      let names = (refusal.data["suggestions"]?.arrayValue ?? []).compactMap(\.stringValue)
      return names.isEmpty
        ? "daybook call rpc.discover lists every method." : "Did you mean \(names.joined(separator: ", "))?"
    default: return nil
    }
  }

  /// Tells the failure on standard error, as JSON where `--json` is given, and ends the process with its exit code.
  static func end(with error: any Error) -> Never {
    if error is ExitCode || error is CleanExit || error is ValidationError || isFromParser(error) {
      Daybook.exit(withError: error)
    }
    let failure = Failure(error)
    if CommandLine.arguments.contains("--json") {
      var object = failure.data
      if object.isEmpty { object["message"] = .string(failure.what) }
      if let place = failure.place { object["place"] = .string(place) }
      if let next = failure.next { object["next"] = .string(next) }
      Terminal.complain(JSON.object(["error": .object(object)]).canonicalString)
    } else {
      Terminal.complain("daybook: \(failure.what)")
      if let place = failure.place { Terminal.complain("      \(place)") }
      if let next = failure.next { Terminal.complain("Next: \(next)") }
    }
    exit(failure.status.rawValue)
  }

  /// Whether ArgumentParser made the error: it then knows what to print, and the code to end with.
  private static func isFromParser(_ error: any Error) -> Bool {
    Daybook.exitCode(for: error) != ExitCode.failure
  }
}
