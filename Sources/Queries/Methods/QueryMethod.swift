import Access
import CanonicalJSON
import Catalog
import Refusals

/// One query: everything that there is to say of it, and the closure that answers it. A query is nothing besides its
/// entry in ``QueryMethod/all(of:)``: the server finds it there by its name, reads its params by its fields, and
/// describes it in `rpc.discover`.
package struct QueryMethod: Sendable {
  /// What everybody may know of it; its fields include those of ``ReadWait``, which every query takes.
  package let signature: MethodSignature
  private let read: @Sendable (inout Arguments) throws -> @Sendable (QueryCall) async throws -> [UInt8]

  /// A query that first makes something of its params: what is wrong with them together is told with the faults of
  /// each.
  /// - Parameters:
  ///   - fields: Its own parameters.
  ///   - checkingLater: Those of them that `read` checks itself.
  ///   - result: The JSON Schema of its result.
  ///   - errors: The codes with which it may refuse, besides those of every query.
  ///   - example: Params of a call that is accepted where the resources of ``ExampleWorld`` exist.
  ///   - read: Makes a question of the params; may add faults to them.
  ///   - answer: Answers it: the canonical JSON of the result.
  package init<Question: Sendable>(
    _ name: String, _ summary: String, _ fields: [Field] = [], checkingLater: Set<String> = [], result: JSON,
    errors: Set<Refusal.Code> = [], example: JSONObject? = [:],
    read: @escaping @Sendable (inout Arguments) throws -> Question,
    answer: @escaping @Sendable (Question, QueryCall) async throws -> [UInt8]
  ) {
    signature = MethodSignature(
      name, summary,
      parameters: ParameterList(
        method: name,
        (fields + ReadWait.fields).map {
          ParameterList.Parameter($0, checksLater: checkingLater.contains($0.name))
        }),
      result: result,
      errors: errors.union([.invalidParams, .unauthenticated, .stale, .unavailable, .internal]), example: example)
    self.read = { arguments in
      let question = try read(&arguments)
      return { call in try await answer(question, call) }
    }
  }

  /// A query whose params are the question.
  package init(
    _ name: String, _ summary: String, _ fields: [Field] = [], result: JSON, errors: Set<Refusal.Code> = [],
    example: JSONObject? = [:], answer: @escaping @Sendable (Arguments, QueryCall) async throws -> [UInt8]
  ) {
    self.init(
      name, summary, fields, result: result, errors: errors, example: example, read: { $0 }, answer: answer)
  }

  /// Reads a call's params.
  /// - Throws: ``Refusal`` `invalid_params` with every fault that can be seen without the log.
  package func prepare(_ params: JSONObject) throws -> PreparedQuery {
    var arguments = Arguments(params, of: signature.parameters)
    let answer = try read(&arguments)
    try arguments.check()
    return PreparedQuery(wait: ReadWait(arguments), answer: answer)
  }
}

/// A query whose params have been read.
package struct PreparedQuery: Sendable {
  /// What must be there before it is answered.
  package let wait: ReadWait
  /// Answers it: the canonical JSON of the result.
  package let answer: @Sendable (QueryCall) async throws -> [UInt8]
}

/// From where, for whom and how late a query is answered.
package struct QueryCall: Sendable {
  /// What it asks.
  package let engine: QueryEngine
  /// Who asks, as the log said it just now.
  package let principal: Principal
  /// The position that it must see, and how long that may take.
  package let wait: ReadWait
  /// Gets what the answer shows that is itself to be recorded. It waits for nothing.
  package let note: @Sendable (ReadNote) -> Void

  /// A call of these parts.
  package init(
    engine: QueryEngine, principal: Principal, wait: ReadWait, note: @escaping @Sendable (ReadNote) -> Void = { _ in }
  ) {
    self.engine = engine
    self.principal = principal
    self.wait = wait
    self.note = note
  }

  /// What the caller may read of a type.
  func access(to type: ResourceType) -> Access { engine.access(to: type, principal, note: note) }
}
