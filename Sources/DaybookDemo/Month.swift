import BasicTypes
import CanonicalJSON
import DaybookClient
import Refusals

/// The whole story: ten companies side by side, then what none of them may see of another.
struct Month {
  let endpoint: Endpoint
  let tenants: [Tenant]
  let seed: UInt64
  let scale: Double
  let days: Int
  let isSilent: Bool

  /// Tells it.
  /// - Throws: `ClientError` where the server can't be reached or goes away. Refusals are in the summary.
  func tell() async throws -> Summary {
    let client = try await DaybookClient.connect(to: endpoint)
    let before = try await position(client)
    let setting = Setting(seed: seed, scale: scale, days: days, end: try await end(client))
    let tally = Tally()
    let progress = Progress(total: tenants.count * Life.chapters(days: days), isSilent: isSilent)
    let time =
      try await StoryTime.isTold(by: client)
      ? StoryTime(client: client, setting: setting, companies: tenants.count) : nil
    let hall = Hall(endpoint: endpoint, setting: setting, tally: tally, progress: progress, time: time)
    let neighbours: [Neighbour]
    do {
      neighbours = try await withThrowingTaskGroup(of: Neighbour?.self) { group in
        for tenant in tenants {
          group.addTask {
            let life = try await Month.life(of: tenant, hall: hall)
            try await life.tell()
            try await life.leave()
            return life.somethingOfOurs.map { Neighbour(caller: life.asOwner, method: $0.get, id: $0.id) }
          }
        }
        var neighbours: [Neighbour] = []
        for try await neighbour in group { if let neighbour { neighbours.append(neighbour) } }
        return neighbours
      }
      try await time?.end()
      try await checkIsolation(neighbours)
    } catch {
      progress.end()
      throw error
    }
    progress.end()
    let after = try await position(client)
    let status = try await client.call("server.status")
    let hasReadModels = try await waitForReadModels(client, at: after)
    try await client.close()
    return Summary(
      setting: setting, tenants: tenants, endpoint: endpoint, tally: tally, seconds: progress.elapsed, before: before,
      after: after,
      postgres: status["postgres"]?["url"]?.stringValue, isDemonstration: status["demo"] == true,
      hasReadModels: hasReadModels)
  }

  private static func life(of tenant: Tenant, hall: Hall) async throws -> Life {
    switch tenant.platform {
    case .etlBuilder: try await BuilderLife(tenant, hall: hall)
    case .djangoETL: try await DjangoLife(tenant, hall: hall)
    case .dataAggregator: try await AggregatorLife(tenant, hall: hall)
    case .mecapy: try await MecaPyLife(tenant, hall: hall)
    case .etlab: try await ETLabLife(tenant, hall: hall)
    }
  }

  /// The midnight at which the month ends: that of the first telling, where the same
  /// story was told before, else today's.
  private func end(_ client: DaybookClient) async throws -> Timestamp {
    let today = try await lastMidnight(client)
    let setting = Setting(seed: seed, scale: scale, days: days, end: today)
    for tenant in Tenant.all {
      do {
        let known = try await client.call("organization.get", ["slug": .string(setting.own(tenant.slug))])
        let settings = known["item"]?["settings"]?["demo"]
        if settings?["seed"]?.stringValue == String(seed),
          let end = settings?["month_ends"]?.stringValue.flatMap({ Timestamp($0) })
        {
          return end
        }
      } catch let error as ClientError where error.code == .notFound {
        continue
      }
    }
    return today
  }

  /// The midnight that this day began with; that of the story's last day where the server stands at its first.
  private func lastMidnight(_ client: DaybookClient) async throws -> Timestamp {
    guard try await StoryTime.isTold(by: client),
      let now = try await client.call("server.status")["clock"]?["now"]?.stringValue.flatMap({ Timestamp($0) })
    else { return Setting.midnight(before: .now) }
    return Setting.midnight(before: now).adding(seconds: Int64(days) * 86_400)
  }

  /// Waits until what was told can be seen in the read models; false where that takes long, or there are none.
  private func waitForReadModels(_ client: DaybookClient, at position: Int) async throws -> Bool {
    do {
      _ = try await client.call(
        "organization.list", ["limit": 1, "at_least": .count(position), "timeout_ms": .count(60_000)])
      return true
    } catch let error as ClientError where error.code == .stale || error.code == .unavailable {
      return false
    }
  }

  private func position(_ client: DaybookClient) async throws -> Int {
    Int(try await client.call("log.head")["position"]?.integerValue ?? 0)
  }

  /// What is one tenant's doesn't exist for another.
  private func checkIsolation(_ neighbours: [Neighbour]) async throws {
    for stranger in neighbours {
      for host in neighbours where host.caller !== stranger.caller {
        stranger.caller.send(host.method, ["id": .id(host.id)], refusedAs: .notFound)
      }
    }
    for neighbour in neighbours {
      try await neighbour.caller.settle()
      try await neighbour.caller.close()
    }
  }
}

/// The owner of a company, and something of its own.
private struct Neighbour: Sendable {
  let caller: Caller
  let method: String
  let id: Identifier
}
