import BasicTypes
import CanonicalJSON
import DaybookClient
import Refusals
import TestBasics
import Testing

extension ReceivedRefusal {
  /// The error of a raw answer; nil where it is none.
  init?(answer: JSON) {
    guard let error = answer["error"] else { return nil }
    self.init(error)
  }
}

extension DaybookClient {
  /// The error that a call is answered with; where there is none, the test has failed.
  func refusal(
    _ method: String, _ params: JSONObject = [:], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> ReceivedRefusal {
    do {
      let result = try await call(method, params)
      Issue.record("\(method) was not refused: \(result.canonicalString.prefix(300))", sourceLocation: sourceLocation)
      throw HarnessError("\(method) was not refused")
    } catch ClientError.remote(let refusal) {
      return refusal
    }
  }

  /// The item that `R.get` answers.
  func item(_ type: String, _ id: String, _ more: JSONObject = [:]) async throws -> JSONObject {
    let answer = try await call("\(type).get", (["id": .string(id)] as JSONObject).merging(more))
    return try #require(answer["item"]?.objectValue)
  }

  /// All items of a list, page by page.
  func all(_ method: String, _ params: JSONObject = [:], limit: Int64 = 500) async throws -> [JSON] {
    var items: [JSON] = []
    var cursor: JSON?
    repeat {
      var page = params
      page["limit"] = .integer(limit)
      if let cursor { page["cursor"] = cursor }
      let answer = try await call(method, page)
      items += try #require(answer["items"]?.arrayValue, "\(method) answers items")
      cursor = answer["next_cursor"]
      if cursor?.isNull == true { cursor = .none }
    } while cursor != nil
    return items
  }

  /// All records of the log from a position on.
  func records(from first: Int64 = 1) async throws -> [JSON] {
    var records: [JSON] = []
    var next = first
    while true {
      let answer = try await call("log.read", ["from": .integer(next), "limit": 1000])
      let page = try #require(answer["records"]?.arrayValue)
      records += page
      guard let following = answer["next"]?.integerValue, following > next, !page.isEmpty else { return records }
      next = following
    }
  }

  /// The position of the last event.
  func head() async throws -> Int64 {
    try #require(try await call("log.head")["position"]?.integerValue)
  }

  /// How many events commands have made: all but those that the server records of itself and of who reads it.
  func acts() async throws -> Int {
    try await records().count { record in
      let type = record["header"]?["event"]?.stringValue?.prefix { $0 != "." }
      return type != "installation" && type != "access"
    }
  }

  /// Waits until every projection has every event.
  func caughtUp(within limit: Duration = .seconds(60)) async throws {
    _ = try await eventually("every projection is at the head", within: limit, every: .milliseconds(100)) {
      () -> Bool? in
      let head = try await head()
      let items = try #require(try await call("projection.status")["items"]?.arrayValue)
      guard !items.isEmpty else { return nil }
      return items.allSatisfy { $0["position"]?.integerValue == head } ? true : nil
    }
  }
}

extension JSON {
  /// The position of a command's result, a record's header or a history item.
  var position: Int64? { (self["header"] ?? self)["position"]?.integerValue }
}

/// A new id of the kind that clients make.
func newID() -> String { Identifier.version7(at: Timestamp.now).text }

/// An organization with a key and a person.
struct Tenant: Sendable {
  let organization: String
  let slug: String
  let apiKey: String
  let user: String
  let email: String
  let password = "correct horse battery staple"

  /// Makes an organization, a key with those permissions and a user who may write.
  static func make(
    _ client: DaybookClient, _ prefix: String = "tenant",
    permissions: JSON = ["*": ["read", "write", "execute", "admin"]]
  ) async throws -> Tenant {
    let unique = newID().suffix(12)
    let slug = "\(prefix)-\(unique)"
    let organization = try await client.created(
      "organization", ["name": .string("Organization \(slug)"), "slug": .string(slug)])
    let key = try await client.call(
      "api_key.create",
      ["organization_id": .string(organization), "name": "acceptance", "permissions": permissions])
    let email = "person-\(unique)@example.com"
    let user = try await client.created(
      "user",
      [
        "email": .string(email), "username": .string("person-\(unique)"), "full_name": "Ada Example",
        "role": "developer",
        "password": "correct horse battery staple",
      ])
    _ = try await client.created(
      "membership", ["organization_id": .string(organization), "user_id": .string(user), "role": "admin"])
    return Tenant(
      organization: organization, slug: slug, apiKey: try #require(key["api_key"]?.stringValue), user: user,
      email: email)
  }
}

extension DaybookClient {
  /// Creates a resource and returns its id.
  func created(_ type: String, _ params: JSONObject) async throws -> String {
    try #require(try await call("\(type).create", params)["id"]?.stringValue)
  }

  /// Creates an organization.
  func organization(_ prefix: String) async throws -> String {
    let slug = "\(prefix)-\(newID().suffix(12))"
    return try await created("organization", ["name": .string(slug), "slug": .string(slug)])
  }
}
