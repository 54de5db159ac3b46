import BasicTypes
import CanonicalJSON

/// A month of one tenant's life. Each platform's is a subclass; one task tells it from beginning to end.
class Life {
  let tenant: Tenant
  let setting: Setting
  let hall: Hall
  let organization: Identifier
  let people: [Person]
  /// What draws the story.
  var chance: Chance
  /// Whose accounts nobody can make: the local administrator.
  let administrator: Caller
  /// Whether the server knows this life already.
  private(set) var isToldAgain = false
  private var chapter = 0
  private var ownerCaller: Caller?
  private var engineerCaller: Caller?

  required init(_ tenant: Tenant, hall: Hall) async throws {
    self.tenant = tenant
    self.hall = hall
    setting = hall.setting
    chance = hall.setting.chance(tenant.slug)
    organization = hall.setting.identifier("\(tenant.slug) organization")
    people = Person.crew(hall.setting.scaled(8, atLeast: 4), of: tenant, in: hall.setting)
    administrator = try await Caller.connect(
      "\(tenant.slug).administrator", platform: tenant.platform.rawValue, hall: hall)
  }

  /// How many chapters a life of so many days has.
  static func chapters(days: Int) -> Int { days + 3 }

  var owner: Person { people[0] }
  var engineer: Person { people[1] }

  /// The owner at a connection; the administrator before the owner has signed in.
  var asOwner: Caller { ownerCaller ?? administrator }
  /// The engineer who does the daily work.
  var asEngineer: Caller { engineerCaller ?? administrator }

  // MARK: - What a platform's life tells

  /// The first day: what is set up once.
  func settleIn() async throws {}
  /// A day's work.
  func work(day: Int) async throws {}
  /// The last evening: what is left in a state worth looking at, and what the server must refuse.
  func closeTheMonth() async throws {}
  /// The method and id of something that strangers must not see.
  var somethingOfOurs: (get: String, id: Identifier)? { nil }

  // MARK: - Telling it

  /// Tells the whole month.
  final func tell() async throws {
    try await begin("founding")
    try await found()
    try await settle()
    try await advance()
    try await begin("settling in")
    try await settleIn()
    try await settle()
    try await advance()
    for day in 0..<setting.days {
      try await begin("day \(day + 1)")
      try await changePeople(day: day)
      try await work(day: day)
      try await settle()
      try await advance()
    }
    try await begin("closing")
    try await closeTheMonth()
    try await settle()
    try await advance()
  }

  /// Waits for what everybody has sent.
  final func settle() async throws {
    try await administrator.settle()
    try await ownerCaller?.settle()
    try await engineerCaller?.settle()
  }

  /// Ends the connections but the owner's.
  final func leave() async throws {
    try await administrator.close()
    try await engineerCaller?.close()
  }

  private func begin(_ chapter: String) async throws {
    try await hall.time?.begin(chapter: self.chapter)
    self.chapter += 1
    administrator.begin(chapter)
    ownerCaller?.begin(chapter)
    engineerCaller?.begin(chapter)
  }

  private func advance() async throws {
    hall.progress.advance(hall.tally)
    try Task.checkCancellation()
  }

  // MARK: - Founding

  private func found() async throws {
    let made = try await administrator.result(
      "organization.create",
      [
        "id": .id(organization), "name": .string(tenant.name), "slug": .string(setting.own(tenant.slug)),
        "platform": .string(tenant.platform.rawValue),
        "description": .string("\(tenant.name), as the demo tells of it."),
        "settings": [
          "demo": ["seed": .string(String(setting.seed)), "month_ends": .time(setting.end)],
          "timezone": "Europe/Paris", "retention_days": 90,
        ],
      ])
    isToldAgain = made?["replayed"] == true
    for person in [owner, engineer] { administrator.send("user.create", account(person, password: true)) }
    try await administrator.settle()
    let callers = try await [("owner", owner), ("engineer", engineer)].asyncMap { role, person in
      try await Caller.connect(
        "\(tenant.slug).\(role)", platform: tenant.platform.rawValue, hall: hall,
        signingInWith: [
          "email": .string(person.email), "password": .string(Setting.password),
          "user_agent": .string("\(tenant.platform.rawValue) web client"),
        ])
    }
    ownerCaller = callers[0]
    engineerCaller = callers[1]
    asOwner.begin("founding")
    for person in people.dropFirst(2).prefix(people.count / 2) {
      asOwner.send("user.create", account(person, password: false))
      if chance.happens(0.7) { asOwner.send("user.verify_email", ["id": .id(person.id)]) }
    }
  }

  /// People come, change and go during the month.
  private func changePeople(day: Int) async throws {
    let later = Array(people.dropFirst(2 + people.count / 2))
    for (index, person) in later.enumerated() {
      let membership = setting.identifier("\(tenant.slug) membership \(person.email)")
      let arrival = (index * setting.days) / max(1, later.count)
      if arrival == day {
        var fields = account(person, password: false)
        fields["organization_id"] = nil
        fields["membership_role"] = nil
        administrator.send("user.create", fields)
        administrator.send(
          "membership.create",
          [
            "id": .id(membership), "organization_id": .id(organization), "user_id": .id(person.id),
            "role": .string(person.membershipRole),
          ])
      }
      if arrival + 4 == day, chance.happens(0.4) {
        asOwner.send("membership.edit", ["id": .id(membership), "role": "admin", "reason": "runs the night shift now"])
      }
      if arrival + 9 == day, chance.happens(0.2) {
        asOwner.send("membership.delete", ["id": .id(membership), "reason": "moved to another company"])
      }
    }
    let known = Array(people.dropFirst(2).prefix(people.count / 2))
    if day == setting.days / 3, let person = known.first {
      asOwner.send(
        "user.edit",
        ["id": .id(person.id), "avatar_url": .string("https://avatars.example.com/\(person.given.lowercased()).webp")])
    }
    if day == setting.days * 2 / 3, let person = known.last {
      asOwner.send("user.deactivate", ["id": .id(person.id), "reason": "on parental leave"])
    }
    if day == setting.days - 1, let person = known.last, chance.happens(0.5) {
      asOwner.send("user.reactivate", ["id": .id(person.id)])
    }
  }

  private func account(_ person: Person, password: Bool) -> JSONObject {
    var fields = person.fields(on: tenant.platform)
    fields["organization_id"] = .id(organization)
    fields["membership_role"] = .string(person.membershipRole)
    if password { fields["password"] = .string(Setting.password) }
    return fields
  }

  // MARK: - Shared by the platforms

  /// A new id, of the moment at which the thing comes into being.
  final func newIdentifier(at time: Timestamp) -> Identifier {
    return Identifier.version7(at: time, using: &chance)
  }

  /// Somebody of the company, the owner and the engineer among them, who has been there from the first day.
  final func somebody() -> Person {
    people[chance.number(0...min(people.count - 1, 1 + people.count / 2))]
  }
}

extension Sequence {
  fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async throws -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await transform(element)) }
    return results
  }
}
