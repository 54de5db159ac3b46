/// A platform of the five, by the word that organizations know it by.
enum Platform: String, CaseIterable, Sendable {
  case etlBuilder = "etl_builder"
  case djangoETL = "django_etl"
  case dataAggregator = "data_aggregator"
  case mecapy
  case etlab
}

/// A company that lives on a platform, and what its data is about.
struct Tenant: Sendable {
  let platform: Platform
  let name: String
  let slug: String
  let domain: String
  let tables: [String]

  /// Two of each platform, so that it shows that they don't see each other.
  static let all: [Tenant] = [
    Tenant(
      platform: .etlBuilder, name: "Northwind Freight", slug: "northwind-freight", domain: "northwind.example.com",
      tables: [
        "shipments", "containers", "customs_entries", "routes", "carrier_invoices", "port_calls", "drivers", "tolls",
      ]),
    Tenant(
      platform: .etlBuilder, name: "Harbour Foods", slug: "harbour-foods", domain: "harbour.example.org",
      tables: ["orders", "deliveries", "cold_chain_readings", "suppliers", "recipes", "recalls", "stock", "waste"]),
    Tenant(
      platform: .djangoETL, name: "Meridian Health", slug: "meridian-health", domain: "meridian.example.com",
      tables: ["appointments", "lab_results", "claims", "referrals", "wards", "prescriptions", "staff_rota", "beds"]),
    Tenant(
      platform: .djangoETL, name: "Atlas Mutual", slug: "atlas-mutual", domain: "atlas.example.org",
      tables: ["policies", "premiums", "losses", "brokers", "reinsurance", "renewals", "quotes", "surveys"]),
    Tenant(
      platform: .dataAggregator, name: "Bluefin Retail", slug: "bluefin-retail", domain: "bluefin.example.com",
      tables: ["baskets", "products", "prices", "returns", "loyalty", "stores", "campaigns", "web_sessions"]),
    Tenant(
      platform: .dataAggregator, name: "Copper Grid", slug: "copper-grid", domain: "copper.example.org",
      tables: ["meter_readings", "outages", "tariffs", "substations", "forecasts", "work_orders", "bids", "weather"]),
    Tenant(
      platform: .mecapy, name: "Atelier Poutre", slug: "atelier-poutre", domain: "poutre.example.org",
      tables: ["beams", "joints", "load_cases", "materials", "sections", "welds", "anchors", "slabs"]),
    Tenant(
      platform: .mecapy, name: "Turbine Works", slug: "turbine-works", domain: "turbine.example.com",
      tables: ["blades", "bearings", "spectra", "strain_gauges", "shafts", "seals", "runs_to_failure", "oil_samples"]),
    Tenant(
      platform: .etlab, name: "Nimbus Telecom", slug: "nimbus-telecom", domain: "nimbus.example.com",
      tables: ["call_records", "cells", "subscribers", "handsets", "roaming", "churn_scores", "tickets", "top_ups"]),
    Tenant(
      platform: .etlab, name: "Orchard Media", slug: "orchard-media", domain: "orchard.example.org",
      tables: ["plays", "tracks", "royalties", "ad_slots", "listeners", "playlists", "podcasts", "surveys"]),
  ]
}

/// Names of people who don't exist.
enum Names {
  static let given = [
    "Ada", "Amara", "Anders", "Ayumi", "Beatriz", "Bruno", "Chidi", "Clara", "Dalia", "Emil", "Esra", "Farid", "Freya",
    "Giulia", "Hana", "Henrik", "Ines", "Ivo", "Jana", "Jonas", "Kemal", "Lena", "Luca", "Mai", "Marek", "Mina",
    "Nadia",
    "Noor", "Olu", "Oscar", "Paula", "Pavel", "Quentin", "Rosa", "Ruben", "Salma", "Sofia", "Tariq", "Thea", "Tomas",
    "Ulla", "Vera", "Viktor", "Wei", "Xenia", "Yara", "Yusuf", "Zoe",
  ]
  static let family = [
    "Abadi", "Almeida", "Andersen", "Baptiste", "Berg", "Castro", "Costa", "Dahl", "Demir", "Dubois", "Eriksen",
    "Ferrari",
    "Fischer", "Garnier", "Haddad", "Hansen", "Ito", "Jansen", "Kaya", "Keita", "Klein", "Kovac", "Larsen", "Lemoine",
    "Lindqvist", "Marchetti", "Mbeki", "Meyer", "Moreau", "Nakamura", "Novak", "Okafor", "Olsen", "Pereira", "Petrov",
    "Rahman", "Rossi", "Sato", "Schmidt", "Silva", "Tanaka", "Vargas", "Virtanen", "Weber", "Yilmaz", "Zhang",
  ]
}
