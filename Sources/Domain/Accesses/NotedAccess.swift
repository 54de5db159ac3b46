import Access
import BasicTypes
import CanonicalJSON
import Refusals

/// What somebody has read or was refused, often the same thing several times, to be recorded as events.
package struct NotedAccess: Sendable {
  /// What it was.
  package enum Content: Sendable {
    /// Personal values of persons were shown: how often those of each, and how often those of persons who aren't named,
    /// since there were too many to be told apart.
    case reads(ReadNote.Purpose?, persons: [(id: Identifier, reads: Int)], unnamed: Int)
    /// Records of the whole log were given out.
    case log(records: Int, first: UInt64, last: UInt64)
    /// Calls were refused.
    case refusals(RefusedCall?, count: Int)
  }

  /// Who; nil for several who could not be told apart.
  let principal: Principal?
  /// The organization of those who could not be told apart; nil for administrators and for whom there is none.
  var organization: Identifier?
  /// Where the first call came from.
  let origin: Origin
  /// The hour that it is counted in.
  let hour: Timestamp
  let content: Content
}

extension NotedAccess {
  /// How many persons it names.
  var personCount: Int {
    if case .reads(_, let persons, _) = content { persons.count } else { 0 }
  }

  /// The same in parts of at most so many persons each, in the order of their ids.
  func inParts(of size: Int) -> [NotedAccess] {
    guard case .reads(let purpose, let persons, let unnamed) = content, !persons.isEmpty else { return [self] }
    let sorted = persons.sorted { $0.id < $1.id }
    return stride(from: 0, to: sorted.count, by: size).map { start in
      NotedAccess(
        principal: principal, organization: organization, origin: origin, hour: hour,
        content: .reads(
          purpose, persons: Array(sorted[start..<min(sorted.count, start + size)]), unnamed: start == 0 ? unnamed : 0))
    }
  }
}

/// A call that was refused to somebody who had signed in.
package struct RefusedCall: Sendable, Hashable {
  /// The method.
  package let method: String
  /// The code of the refusal.
  package let code: Refusal.Code
  /// The permission, or the rule, that was missing.
  package let permission: String?
  /// The resource that was named, whether or not there is one of this id.
  package let resource: Identifier?

  /// A refused call; nil for a refusal that isn't recorded.
  package init?(method: String, params: JSONObject, refusal: Refusal) {
    guard Self.isRecorded(refusal) else { return nil }
    var (method, params) = (method, params)
    // Of a batch, the command that was refused.
    if let index = refusal.data["index"]?.integerValue.flatMap({ Int(exactly: $0) }),
      let commands = params["commands"]?.arrayValue, commands.indices.contains(index),
      let member = commands[index]["method"]?.stringValue
    {
      method = member
      params = commands[index]["params"]?.objectValue ?? [:]
    }
    self.method = method
    code = refusal.code
    permission = refusal.data["permission"]?.stringValue
    resource = params["id"]?.stringValue.flatMap { Identifier($0) }
  }

  /// The call of a command that was refused; nil for a refusal that isn't recorded.
  package init?(_ command: PreparedCommand, refusal: Refusal) {
    guard Self.isRecorded(refusal) else { return nil }
    var named = command
    if case .batch(let members) = command.content,
      let index = refusal.data["index"]?.integerValue.flatMap({ Int(exactly: $0) }), members.indices.contains(index)
    {
      named = members[index]
    }
    method = named.method
    code = refusal.code
    permission = refusal.data["permission"]?.stringValue
    resource = named.id
  }

  /// That something isn't there for the caller is told to nobody: whether it is there for somebody else would be
  /// learned by it.
  private static func isRecorded(_ refusal: Refusal) -> Bool { refusal.code == .forbidden || refusal.code == .held }
}
