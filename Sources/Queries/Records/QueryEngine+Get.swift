import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension QueryEngine {
  /// `R.get`: one resource, by id or natural key, now or as it was.
  func get(_ parameters: inout QueryParameters, _ access: Access) async throws -> [UInt8] {
    let type = access.type
    let identifier = parameters.identifier("id")
    var keys: [(name: String, value: String)] = []
    for name in type.naturalKeys {
      if let value = parameters.string(name) { keys.append((name, value)) }
    }
    let asOf = parameters.asOf()
    let includesDeleted = parameters.boolean("include_deleted") ?? false
    if parameters.isSound, (identifier == nil ? 0 : 1) + keys.count != 1 {
      let choices = (["id"] + type.naturalKeys).joined(separator: ", ")
      parameters.refuse("/id", "give exactly one of \(choices)")
    }
    try parameters.finish()
    let key = try keys.first.map { given in
      guard let key = rules.naturalKey(type: type.name, field: given.name, value: given.value) else {
        throw Refusal.internalError("\(type.name).\(given.name) is a natural key without a constraint of its own")
      }
      return key
    }
    return try await log.background { [self] snapshot in
      let found: Identifier? =
        if let key { try snapshot.holder(constraint: key.constraint, key: key.key) } else { identifier }
      // The value of a natural key may be personal: a refusal never repeats it.
      let shown = identifier?.text ?? ""
      guard let found else { throw Refusal.notFound(type: type.name, id: shown) }
      let current = try access.require(try snapshot.state(found), id: shown, in: snapshot)
      var state = current
      var position = snapshot.head.position
      if let asOf {
        position = try snapshot.resolve(asOf)
        guard let then = try snapshot.fold(found, through: position) else {
          throw Refusal.notFound(type: type.name, id: shown)
        }
        state = then
      } else if current.isDeleted, !includesDeleted {
        throw Refusal.gone(type: type.name, id: current.id.text, since: current.deletedAt?.text ?? "")
      }
      let item = try view.item(state, principal: access.principal)
      return JSON.object([
        "item": .object(item), "version": .integer(state.version), "position": JSON(position: position),
      ]).canonicalBytes
    }
  }
}
