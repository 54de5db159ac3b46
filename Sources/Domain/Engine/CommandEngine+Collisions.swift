import Access
import CanonicalJSON
import Refusals

extension CommandEngine {
  /// Records that somebody asked for a value that is taken where they can't see (`session.collided`), and by which
  /// method; what they asked for is not kept. Waits for nothing.
  func recordCollision(of command: PreparedCommand) {
    guard let model = commands["session.collide"] else { return }
    var reader = ParameterReader(command: model, principal: command.principal)
    let params: JSONObject = ["method": .string(command.method)]
    // The refusal has been given; a log that can't take the record now has told of that itself.
    guard let record = try? reader.read(params, origin: command.origin, engine: self) else { return }
    submit(record, on: command.principal.tenant) { _ in }
  }
}

extension Refusal {
  /// A value is taken by something that the caller may not know of: which value, and by what, isn't said.
  static let hiddenConflict = Refusal.conflict(
    reason: "taken",
    """
    Something in this can't be used: it is taken. Choose another value, or ask an administrator of the service. This \
    was recorded.
    """)

  /// Whether it is that refusal, of a command by itself or in a batch.
  var tellsOfHidden: Bool { code == .conflict && data["reason"] == "taken" }
}
