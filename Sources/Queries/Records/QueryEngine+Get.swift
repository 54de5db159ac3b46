import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension QueryMethod {
  /// `R.get`: one resource, by id or natural key, now or as it was.
  static func get(_ type: ResourceType) -> QueryMethod {
    let hint = type.naturalKeys.isEmpty ? "" : ", unless another key is given"
    return QueryMethod(
      "\(type.name).get", "One \(type.name), from the log's own state; as it was, with as_of.",
      [Field.parameter("id", .uuid, "Which \(type.name)\(hint).")]
        + type.naturalKeys.map { Field.parameter($0, .text, "Finds it by its \($0) instead of its id.") }
        + [.asOf, .flag("include_deleted", "Answer a deleted one too, instead of the error gone.")],
      result: Schemas.object([
        "item": Schemas.item(type), "version": Schemas.integer, "position": Schemas.integer,
      ]),
      errors: [.forbidden, .notFound, .gone], example: type.exampleTarget,
      read: { GetQuestion(&$0, type) },
      answer: { try await $1.engine.get($0, $1.access(to: type)) })
  }
}

/// One `R.get` as it was asked.
private struct GetQuestion: Sendable {
  let identifier: Identifier?
  let key: (name: String, value: String)?
  let asOf: AsOf?
  let includesDeleted: Bool

  init(_ arguments: inout Arguments, _ type: ResourceType) {
    identifier = arguments.identifier("id")
    let keys = type.naturalKeys.compactMap { name in arguments.text(name).map { (name: name, value: $0) } }
    key = keys.first
    asOf = AsOf(arguments)
    includesDeleted = arguments.isTrue("include_deleted")
    if arguments.isSound, (identifier == nil ? 0 : 1) + keys.count != 1 {
      let choices = (["id"] + type.naturalKeys).joined(separator: ", ")
      arguments.refuse("/id", type.naturalKeys.isEmpty ? "is required" : "give exactly one of \(choices)")
    }
  }
}

extension QueryEngine {
  fileprivate func get(_ question: GetQuestion, _ access: Access) async throws -> [UInt8] {
    let type = access.type
    let identifier = question.identifier
    let moment: UInt64? = if let asOf = question.asOf { try await resolve(asOf) } else { nil }
    return try await log.whileWanted { [self] snapshot in
      let found: Identifier? =
        if let key = question.key {
          try rules.holder(type: type.name, field: key.name, value: key.value, in: snapshot)
        } else {
          identifier
        }
      // The value of a natural key may be personal: a refusal never repeats it.
      let shown = identifier?.text ?? ""
      guard let found else { throw Refusal.notFound(type: type.name, id: shown) }
      let current = try access.require(try snapshot.state(found), id: shown, in: snapshot)
      if let key = question.key, try isKept(key.name, of: current, access.principal) {
        throw Refusal.notFound(type: type.name, id: shown)
      }
      var state = current
      var position = snapshot.head.position
      if let moment {
        position = moment
        guard let then = try snapshot.fold(found, through: position),
          !access.isVisitor(of: current) || access.audience.publishes(then.fields, to: access.principal)
        else {
          throw Refusal.notFound(type: type.name, id: shown)
        }
        state = then
      } else if current.isDeleted, !question.includesDeleted {
        throw Refusal.gone(type: type.name, id: current.id.text, since: current.deletedAt?.text ?? "")
      }
      let item = try access.item(state, current: current, view(for: access.principal), in: snapshot)
      access.noteShown(item, of: found, current.fields, for: moment == nil ? .profile : .history)
      return JSON.object([
        "item": .object(item), "version": .integer(state.version), "position": JSON(position: position),
      ]).canonicalBytes
    }
  }
}
