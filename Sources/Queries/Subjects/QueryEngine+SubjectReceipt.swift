import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import MerkleTree
import Records
import Refusals

extension QueryMethod {
  /// `subject.receipt`: what became of a request for erasure, with what proves it.
  static let subjectReceipt = QueryMethod(
    "subject.receipt", "What was decided about a person's data, what went and what stays, each event with its proof.",
    [.parameter("id", .uuid, "The person's id.", isRequired: true)],
    result: Schemas.object([
      "events": Schemas.array(of: Schemas.anyObject), "id": Schemas.identifier, "position": Schemas.integer,
      "root": Schemas.string, "status": Schemas.string, "tree_size": Schemas.integer,
    ]),
    errors: [.forbidden, .notFound], example: nil,
    answer: { try await $1.engine.subjectReceipt($0, SubjectScope(principal: $1.principal)) })
}

extension QueryEngine {
  fileprivate func subjectReceipt(_ arguments: Arguments, _ scope: SubjectScope) async throws -> [UInt8] {
    let id = try arguments.required("id")
    return try await log.whileWanted { [self] snapshot in
      let person = try scope.person(id, in: snapshot, alsoFor: [.auditors])
      guard let record = try snapshot.subjectRecord(of: person.id) else {
        throw Refusal.notFound(type: "subject", id: id.text)
      }
      let size = snapshot.head.position
      let events = try snapshot.history(of: record.id, versions: 1...Int64.max).map { stored -> JSON in
        let header = try stored.parsedHeader()
        let body = try stored.parsedBody()
        let isReasonTold =
          header.isDone(by: scope.principal.actor)
          || scope.isTold(ofReasonIn: ReasonGivenIn.organizations(body.data), about: id)
        let facts = body.data.filter { $0.key != ReasonGivenIn.member }
        return [
          "actor": .string(header.actor), "at": .string(header.at.text), "event": .string(header.event),
          "position": JSON(position: header.position),
          "data": .object(ErasureFacts.shown(facts) { scope.isTold(of: $0, about: id) }),
          "reason": isReasonTold
            ? try view(for: scope.principal).reason(body.reason, resource: header.resource) : .null,
          "leaf_hash": .string(try snapshot.treeNode(level: 0, index: header.position - 1).base64),
          "hashes": .array(
            try snapshot.inclusionProof(index: header.position - 1, size: size).map { .string($0.base64) }),
        ]
      }
      var answer: JSONObject = [
        "id": .string(id.text), "status": record.fields["status"] ?? "none", "events": .array(events),
        "tree_size": JSON(position: size), "root": .string(try snapshot.root(size: size).base64),
        "position": JSON(position: size),
      ]
      for name in ["requested_at", "confirmed_at", "erased_at", "restricted_at", "unrestricted_at"] {
        answer[name] = record.fields[name] ?? .null
      }
      return JSON.object(answer).canonicalBytes
    }
  }
}
