import Access
import CanonicalJSON
import EventLog
import Records
import Refusals

extension CommandEngine {
  /// Records that somebody asked for a value that is taken where they can't see (`session.collided`), and by which
  /// method; what they asked for is not kept. Waits for nothing.
  func recordCollision(of command: PreparedCommand) {
    guard let model = commands["session.collide"] else { return }
    var reader = ParameterReader(command: model, principal: command.principal)
    let params: JSONObject = ["method": .string(command.method)]
    do {
      let record = try reader.read(params, origin: command.origin, engine: self)
      submit(record, on: command.principal.tenant) { [log] result in
        if case .failure(let refusal) = result { log.noteUnrecorded("session.collided", refusal.code.rawValue) }
      }
    } catch {
      log.noteUnrecorded("session.collided", Refusal(causedBy: error).code.rawValue)
    }
  }
}

extension Refusal {
  /// A value is taken by something that the caller may not know of: which value, and by what, isn't said.
  static let hiddenConflict = Refusal.conflict(
    reason: "taken",
    """
    Something in this can't be used: it is taken. Choose another value, or ask an administrator of the service. Such \
    attempts are recorded.
    """)

  /// Whether it is that refusal, of a command by itself or in a batch.
  var tellsOfHidden: Bool { code == .conflict && data["reason"] == "taken" }
}
