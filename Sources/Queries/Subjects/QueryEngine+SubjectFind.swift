import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Refusals

extension QueryMethod {
  /// `subject.find`: who that is, and what was decided about their data.
  static let subjectFind = QueryMethod(
    "subject.find", "The person of an id, an e-mail address or a user name, erased or not, for officers.",
    [
      .parameter("id", .uuid, "The person's id; an erased person is found by it alone."),
      .parameter("email", .text, "Their e-mail address."), .parameter("username", .text, "Their user name."),
    ],
    result: Schemas.object([
      "items": Schemas.array(of: Schemas.object(["id": Schemas.identifier, "status": Schemas.string])),
      "position": Schemas.integer,
    ]),
    errors: [.forbidden], example: ["email": "ann@example.org"],
    read: { SubjectQuestion(&$0) },
    answer: { try await $1.engine.findSubject($0, SubjectScope(principal: $1.principal), $1.note) })
}

/// One `subject.find` as it was asked.
private struct SubjectQuestion: Sendable {
  let id: Identifier?
  let key: (field: String, value: String)?

  init(_ arguments: inout Arguments) {
    id = arguments.identifier("id")
    let keys = ["email", "username"].compactMap { name in arguments.text(name).map { (field: name, value: $0) } }
    key = keys.first
    if arguments.isSound, (id == nil ? 0 : 1) + keys.count != 1 {
      arguments.refuse("/id", "give exactly one of id, email, username")
    }
  }
}

extension QueryEngine {
  fileprivate func findSubject(
    _ question: SubjectQuestion, _ scope: SubjectScope, _ note: @escaping @Sendable (ReadNote) -> Void
  ) async throws -> [UInt8] {
    try scope.requireOfficer()
    return try await log.whileWanted { [self] snapshot in
      let found =
        try question.id
        ?? question.key.flatMap { try rules.holder(type: "user", field: $0.field, value: $0.value, in: snapshot) }
      var items: [JSON] = []
      do {
        if let found {
          let person = try scope.person(found, in: snapshot)
          if try question.key.map({ try !isKept($0.field, of: person, scope.principal) }) ?? true {
            items.append(.object(try subject(person, scope, snapshot)))
            if found != scope.principal.subject { note(.persons([found], .subjectFind)) }
          }
        }
      } catch let error as Refusal where error.code == .notFound {
        // Nobody whom the caller may know of.
      }
      return JSON.object(["items": .array(items), "position": JSON(position: snapshot.head.position)]).canonicalBytes
    }
  }

  /// What is said of a person everywhere: the account, and what was decided about it.
  func subject(
    _ person: ResourceState, _ scope: SubjectScope, _ snapshot: borrowing LogSnapshot
  ) throws -> JSONObject {
    let record = try snapshot.subjectRecord(of: person.id)
    func field(_ name: String) -> JSON { record?.fields[name] ?? .null }
    return [
      "id": .string(person.id.text),
      "account": .object(try view(for: scope.principal).item(person)),
      "organizations": .array(
        try snapshot.memberships(of: person.id).compactMap(\.organization)
          .filter { scope.isTold(of: $0, about: person.id) }
          .map { .string($0.text) }),
      "status": record?.fields["status"] ?? "none", "requested_at": field("requested_at"),
      "confirmed_at": field("confirmed_at"), "erased_at": field("erased_at"),
      "restriction_requested_at": field("restriction_requested_at"), "restricted_at": field("restricted_at"),
      "unrestricted_at": field("unrestricted_at"),
    ]
  }
}
