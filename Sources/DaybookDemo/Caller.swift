import CanonicalJSON
import DaybookClient
import Refusals
import Synchronization

/// Somebody at a connection of their own. What they send is applied in the order
/// sent; nobody waits for answers but ``settle()``.
///
/// Every command gets an id made of the story, the caller, the chapter and a number, so that telling the same story
/// again is answered from the log and adds nothing.
final class Caller: Sendable {
  /// What somebody asks for inside a batch.
  struct Wish: Sendable {
    let method: String
    let params: JSONObject

    init(_ method: String, _ params: JSONObject) {
      self.method = method
      self.params = params
    }
  }

  private struct Waiting: Sendable {
    let method: String
    let commands: Int
    let reply: DaybookClient.Reply
    /// The type of error that must be the answer; nil where it must be a result.
    let refusal: Refusal.Code?
    /// The parameter that the error must name; nil for any.
    let fault: String?
  }

  private struct State: Sendable {
    var waiting: [Waiting] = []
    var chapter = ""
    var sent = 0
  }

  let name: String
  let platform: String
  private let prefix: String
  private let client: DaybookClient
  private let tally: Tally
  private let state = Mutex(State())

  private init(_ name: String, platform: String, prefix: String, client: DaybookClient, tally: Tally) {
    self.name = name
    self.platform = platform
    self.prefix = prefix
    self.client = client
    self.tally = tally
  }

  /// Connects, and signs in where there is something to sign in with.
  /// - Throws: `ClientError`.
  static func connect(
    _ name: String, platform: String, hall: Hall, signingInWith credentials: JSONObject? = nil
  ) async throws -> Caller {
    let client = try await hall.connect()
    if let credentials { _ = try await client.call("session.open", credentials) }
    return Caller(name, platform: platform, prefix: hall.setting.prefix, client: client, tally: hall.tally)
  }

  /// Begins a chapter: command ids are counted anew.
  func begin(_ chapter: String) {
    state.withLock { state in
      state.chapter = chapter
      state.sent = 0
    }
  }

  /// Sends a command.
  func send(_ method: String, _ params: JSONObject) {
    put(method, params, commands: 1)
  }

  /// Sends a command whose id is of its own, for what the story can't count on.
  func send(_ method: String, _ params: JSONObject, key: String) {
    var given = params
    given["command_id"] = .string("\(prefix)/\(name)/\(key)")
    wait(Waiting(method: method, commands: 1, reply: client.send(method, given), refusal: nil, fault: nil))
  }

  /// Sends several commands that are applied all or none.
  func send(together wishes: [Wish]) {
    guard let first = wishes.first else { return }
    guard wishes.count > 1 else { return send(first.method, first.params) }
    let commands = wishes.map { JSON.object(["method": .string($0.method), "params": .object($0.params)]) }
    put("batch.apply", ["commands": .array(commands)], commands: wishes.count)
  }

  /// Sends something that must be refused with that type of error. A command is sent as a dry run: it is decided as
  /// ever, and should the server take it, nothing has happened.
  /// - Parameter fault: the parameter that the refusal must name, such as `/type`.
  func send(_ method: String, _ params: JSONObject, refusedAs code: Refusal.Code, naming fault: String? = nil) {
    var given = params
    if !method.hasSuffix(".get") { given["dry_run"] = true }
    wait(Waiting(method: method, commands: 1, reply: client.send(method, given), refusal: code, fault: fault))
  }

  /// Sends a command and waits for its result; nil where it was refused, which is noted.
  func result(_ method: String, _ params: JSONObject) async throws -> JSON? {
    try await settle()
    return try await note(put(method, params, commands: 1, isAwaited: true))
  }

  /// Asks something that records nothing.
  /// - Throws: `ClientError`.
  func ask(_ method: String, _ params: JSONObject = [:]) async throws -> JSON {
    try await settle()
    return try await client.call(method, params)
  }

  /// Waits for every answer, and notes it.
  /// - Throws: `ClientError` where the connection is gone; refusals are noted instead.
  func settle() async throws {
    let waiting = state.withLock { state in
      defer { state.waiting = [] }
      return state.waiting
    }
    for one in waiting { try await note(one) }
  }

  /// Ends the connection.
  func close() async throws {
    try await client.close()
  }

  @discardableResult
  private func put(_ method: String, _ params: JSONObject, commands: Int, isAwaited: Bool = false) -> Waiting {
    var given = params
    // A number is taken and the call put on the wire in one go: the order of numbers is that of the calls.
    return state.withLock { state in
      state.sent += 1
      given["command_id"] = .string("\(prefix)/\(name)/\(state.chapter)/\(state.sent)")
      let one = Waiting(method: method, commands: commands, reply: client.send(method, given), refusal: nil, fault: nil)
      if !isAwaited { state.waiting.append(one) }
      return one
    }
  }

  private func wait(_ one: Waiting) {
    state.withLock { $0.waiting.append(one) }
  }

  @discardableResult
  private func note(_ one: Waiting) async throws -> JSON? {
    do {
      let answer = try await one.reply.value
      if let refusal = one.refusal {
        tally.note(surprise: "was taken, but should have been refused as \(refusal.rawValue)", of: one.method)
      } else {
        tally.note(answer, of: one.method, commands: one.commands, platform: platform)
      }
      return answer
    } catch let error as ClientError {
      guard let refusal = error.refusal else { throw error }
      if refusal.code == one.refusal, names(error, one.fault) {
        tally.notePlanned(platform: platform)
      } else {
        tally.note(surprise: "\(name): \(sentence(error))", of: one.method)
      }
      return nil
    }
  }

  /// Whether a refusal names a parameter among its faults.
  private func names(_ error: ClientError, _ fault: String?) -> Bool {
    guard let fault else { return true }
    return (error.refusal?.data["problems"]?.arrayValue ?? []).contains { $0["path"]?.stringValue == fault }
  }
}
