#include "controls/content/pii.h"

#include "controls/content/pii_checks.h"
#include "controls/content/pii_forms.h"

namespace tollgate::content {

namespace {

// Those with a form of their own come first, in the order of pii_forms.h.
constexpr PiiKind kKinds[] = {
    {"pii.email", "", nullptr, "", "RFC 5321, RFC 1123; names of RFC 2606 are nobody's"},
    {"pii.phone_number", "", pii::international_phone, "", "ITU-T E.164, list of country codes"},
    {"pii.iban", "", pii::iban, "", "ISO 13616, IBAN registry 101"},
    {"pii.passport_mrz", "", pii::passport_mrz, "", "ICAO 9303 parts 4 to 7"},
    {"pii.bitcoin_address", "", pii::bitcoin_like_address, "", "Base58Check; BIP 173, BIP 350"},
    {"pii.ethereum_address", "", pii::ethereum_address, "", "EIP-55"},
    {"pii.vehicle_number", "", pii::vin, "vin|vehicle|chassis|fahrgestellnummer|telaio|bastidor",
     "ISO 3779, 49 CFR 565"},
    {"pii.de_identity_card", "", pii::de_identity_card,
     "personalausweis|ausweisnummer|ausweis|personalausweisnummer|identity card|reisepass",
     "TR-03127 of the BSI, section on serial numbers"},

    {"pii.payment_card",
     "d4 d4 d4 d4|d4-d4-d4-d4|d16|d4 d6 d5|d4-d6-d5|d15|d4 d6 d4|d14|!d13|!d17|!d18|!d19",
     pii::payment_card,
     "card|cards|credit|visa|mastercard|amex|cvv|cvc|karte|kreditkarte|carte|tarjeta|cartao|carta",
     "ISO/IEC 7812-1; issuers' ranges"},
    {"pii.imei", "!d15|!d2-d6-d6-d1|!d2 d6 d6 d1", pii::imei, "imei", "3GPP TS 23.003"},

    {"pii.us_ssn", "d3-d2-d4|!d3 d2 d4|!d9", pii::us_ssn,
     "ssn|ss#|social security|social security number|socialsecurity|social_security",
     "SSA, POMS RM 10201"},
    {"pii.us_itin", "d3-d2-d4|!d9|!d3 d2 d4", pii::us_itin, "itin|taxpayer", "IRS Pub. 1915"},
    {"pii.us_ein", "!d2-d7", pii::us_ein, "ein|fein|employer identification", "IRS Pub. 1635"},
    {"pii.us_npi", "!d10", pii::us_npi, "npi|national provider", "45 CFR 162.406"},
    {"pii.us_dea", "!A2d7", pii::us_dea, "dea", "DEA Diversion Control, Form 224"},
    {"pii.us_mbi", "!dAxdAxdA2d2|!dAxd-Axd-A2d2", pii::us_mbi, "mbi|medicare|beneficiary",
     "CMS, Understanding the MBI format"},
    {"pii.us_routing_number", "!d9", pii::us_routing, "routing|aba|rtn", "ABA routing numbers"},
    {"pii.us_phone_number", "(d3) d3-d4|!d3-d3-d4|!d3.d3.d4|!d3 d3 d4|!d10", pii::us_phone,
     "phone|tel|telephone|call|cell|mobile|fax|sms|whatsapp|contact", "NANPA numbering plan"},
    {"pii.ca_sin", "!d9|!d3 d3 d3|!d3-d3-d3", pii::ca_sin,
     "sin|nas|social insurance|assurance sociale", "Service Canada; ISO/IEC 7812-1"},
    {"pii.mx_curp", "A4d6A6xd", pii::mx_curp, "", "RENAPO, Instructivo CURP"},
    {"pii.mx_rfc", "A4d6x3|!A3d6x3", pii::mx_rfc, "rfc|contribuyente", "SAT, Anexo 3 of RFC"},
    {"pii.br_cpf", "d3.d3.d3-d2|!d11|!d9-d2", pii::br_cpf, "cpf", "Receita Federal, IN 1548"},
    {"pii.br_cnpj", "d2.d3.d3/d4-d2|!d14", pii::br_cnpj, "cnpj", "Receita Federal, IN 2119"},
    {"pii.ar_cuit", "d2-d8-d|!d11", pii::ar_cuit, "cuit|cuil", "AFIP, RG 1817"},
    {"pii.cl_rut", "d2.d3.d3-d|d2.d3.d3-A|d.d3.d3-d|d.d3.d3-A|!d8-d|!d8-A|!d7-d|!d7-A", pii::cl_rut,
     "rut|run", "SII, digito verificador"},
    {"pii.co_nit", "!d3.d3.d3-d|!d9-d|!d10", pii::co_nit, "nit", "DIAN, Orden administrativa 4"},

    {"pii.uk_nino", "A2 d2 d2 d2 A|!A2d6A|!A2 d6 A", pii::uk_nino,
     "nino|national insurance|ni number|insurance number", "HMRC, NIM39110"},
    {"pii.uk_nhs_number", "!d3 d3 d4|!d3-d3-d4|!d10", pii::uk_nhs, "nhs", "NHS Data Dictionary"},
    {"pii.uk_utr", "!d10|!d5 d5", pii::uk_utr, "utr|unique taxpayer", "HMRC, UTR check digit"},
    {"pii.uk_driving_licence", "A5d6A2xA2|A5d6A2dA2|A5d6Ad2A2", pii::uk_driving_licence, "",
     "DVLA, driver numbers"},
    {"pii.ie_pps", "!d7A|!d7A2", pii::ie_pps, "pps|ppsn|personal public service",
     "Revenue Commissioners, PPSN"},
    {"pii.es_dni", "d8A|d8-A|d2.d3.d3-A", pii::es_dni, "", "Real Decreto 1553/2005"},
    {"pii.es_nie", "Ad7A|A-d7-A|Ad7-A", pii::es_nie, "", "Orden INT/2058/2008"},
    {"pii.es_cif", "!Ad7x|!A-d7-x|!A-d8|!Ad8", pii::es_cif, "cif|nif|fiscal", "Orden EHA/451/2008"},
    {"pii.it_codice_fiscale", "A6d2Ad2Ad3A|A3 A3 d2Ad2 Ad3A", pii::it_codice_fiscale, "",
     "DM 23 December 1976"},
    {"pii.it_partita_iva", "!d11", pii::it_partita_iva, "iva|partita|p.iva|piva",
     "DPR 633/1972, art. 35"},
    {"pii.fr_nir", "d15|d d2 d2 d2 d3 d3 d2|d d2 d2 dA d3 d3 d2|d6Ad8|d13 d2", pii::fr_nir, "",
     "INSEE, Repertoire national"},
    {"pii.fr_siren", "!d9|!d3 d3 d3", pii::fr_siren, "siren|rcs", "INSEE, SIRENE"},
    {"pii.fr_siret", "!d14|!d3 d3 d3 d5", pii::fr_siret, "siret", "INSEE, SIRENE"},
    {"pii.de_steuer_id", "!d11|!d2 d3 d3 d3", pii::de_steuer_id,
     "steuer|steuer-id|steueridentifikationsnummer|steuernummer|idnr|tin|tax id|tax_id|steuerid",
     "AO 139b; ISO 7064"},
    {"pii.nl_bsn", "!d9|!d4.d2.d3", pii::nl_bsn, "bsn|burgerservicenummer|sofi",
     "Wet algemene bepalingen BSN"},
    {"pii.be_national_number", "d2.d2.d2-d3.d2|d11|d6-d3-d2", pii::be_national_number, "",
     "Royal decree of 3 April 1984"},
    {"pii.pl_pesel", "!d11", pii::pl_pesel, "pesel", "Ustawa o ewidencji ludnosci"},
    {"pii.pl_nip", "d3-d3-d2-d2|d3-d2-d2-d3|!d10", pii::pl_nip, "nip", "Ustawa o NIP"},
    {"pii.pl_regon", "!d9", pii::pl_regon, "regon", "GUS, REGON"},
    {"pii.pt_nif", "!d9|!d3 d3 d3", pii::pt_nif, "nif|contribuinte", "Decreto-Lei 14/2013"},
    {"pii.se_personnummer", "d6-d4|d8-d4|!d10|!d12|!d6+d4", pii::se_personnummer,
     "personnummer|samordningsnummer|personal number", "SKV 704"},
    {"pii.no_fodselsnummer", "d11|d6 d5", pii::no_fodselsnummer, "",
     "Folkeregisterforskriften 2-2-1"},
    {"pii.dk_cpr", "!d6-d4|!d10", pii::dk_cpr, "cpr|cpr-nr|personnummer", "CPR-loven"},
    {"pii.fi_hetu", "d6-d3x|d6+d3x|d6Ad3x", pii::fi_hetu, "", "DVV, henkilotunnus"},
    {"pii.ch_ahv", "d3.d4.d4.d2|d13", pii::ch_ahv, "", "AHVG art. 50c; EAN-13"},
    {"pii.at_svnr", "!d4 d6|!d10|!d4-d6", pii::at_svnr,
     "svnr|sv-nummer|svnummer|sozialversicherung|sozialversicherungsnummer", "ASVG 31"},
    {"pii.cz_rodne_cislo", "d6/d4|!d10", pii::cz_rodne_cislo,
     "rodn\u00e9|rodn\u00e9 \u010d\u00edslo|rodne cislo|rc", "Act 133/2000"},
    {"pii.ro_cnp", "!d13", pii::ro_cnp, "cnp|cod numeric", "Legea 105/1996"},
    {"pii.bg_egn", "!d10", pii::bg_egn, "egn|\u0435\u0433\u043d|\u0415\u0413\u041d", "GRAO"},
    {"pii.gr_amka", "!d11", pii::gr_amka, "amka|\u0391\u039c\u039a\u0391|\u03b1\u03bc\u03ba\u03b1",
     "Law 3655/2008"},
    {"pii.gr_afm", "!d9", pii::gr_afm, "afm|\u0391\u03a6\u039c|\u03b1\u03c6\u03bc", "AADE"},
    {"pii.hr_oib", "!d11", pii::mod_11_10, "oib", "Zakon o OIB; ISO 7064"},
    {"pii.jmbg", "!d13", pii::jmbg, "jmbg|em\u0161o|emso|embg", "JMBG law of 1977"},
    {"pii.baltic_personal_code", "!d11", pii::baltic_code,
     "isikukood|asmens kodas|personal code|personal identification code", "EVS 585:2007"},
    {"pii.is_kennitala", "!d6-d4|!d10", pii::is_kennitala, "kennitala|kt", "Thjodskra"},
    {"pii.lu_matricule", "d13", pii::lu_matricule, "", "Loi du 19 juin 2013"},
    {"pii.ru_snils", "d3-d3-d3 d2|!d11", pii::ru_snils,
     "\u0441\u043d\u0438\u043b\u0441|\u0421\u041d\u0418\u041b\u0421|snils", "SFR, SNILS"},
    {"pii.ru_inn", "!d12", pii::ru_inn, "\u0438\u043d\u043d|\u0418\u041d\u041d|inn", "FNS MMV-7-6"},
    {"pii.ua_rnokpp", "!d10", pii::ua_rnokpp,
     "\u0440\u043d\u043e\u043a\u043f\u043f|\u0420\u041d\u041e\u041a\u041f\u041f|"
     "\u0456\u043f\u043d|\u0406\u041f\u041d|rnokpp",
     "DPS, RNOKPP"},

    {"pii.za_id", "d13|d6 d4 d3|d6 d4 d2 d", pii::za_id, "", "Identification Act 68 of 1997"},
    {"pii.au_tfn", "!d9|!d3 d3 d3|!d8", pii::au_tfn, "tfn|tax file", "ATO, TFN algorithm"},
    {"pii.au_abn", "!d2 d3 d3 d3|!d11", pii::au_abn, "abn|business number", "ABR, ABN format"},
    {"pii.au_medicare", "!d10|!d4 d5 d|!d11|!d4 d5 d d", pii::au_medicare, "medicare",
     "Services Australia"},
    {"pii.nz_ird", "!d8|!d9|!d2-d3-d3|!d3-d3-d3|!d2 d3 d3|!d3 d3 d3", pii::nz_ird,
     "ird|inland revenue", "Inland Revenue, IR 748"},
    {"pii.in_aadhaar", "!d4 d4 d4|!d12|!d4-d4-d4", pii::in_aadhaar,
     "aadhaar|aadhar|adhaar|uid|uidai|\u0906\u0927\u093e\u0930", "UIDAI; Verhoeff"},
    {"pii.in_pan", "A5d4A", pii::in_pan, "", "Income-tax Rules, rule 114"},
    {"pii.in_gstin", "d2A5d4AxAx", pii::in_gstin, "", "CGST Rules, rule 10"},
    {"pii.tr_tckn", "!d11", pii::tr_tckn, "tckn|tc|t.c.|kimlik|kimlik no", "Law 5490; NVI"},
    {"pii.il_id", "!d9|!d8-d", pii::il_id,
     "\u05ea\u05e2\u05d5\u05d3\u05ea|\u05ea.\u05d6|\u05ea\u05f4\u05d6|teudat|teudat zehut|israeli "
     "id",
     "Population Registry Law"},
    {"pii.sa_id", "!d10", pii::sa_id,
     "iqama|national id|\u0647\u0648\u064a\u0629|\u0625\u0642\u0627\u0645\u0629", "Absher"},
    {"pii.ae_emirates_id", "d3-d4-d7-d|!d15", pii::ae_id, "emirates|\u0647\u0648\u064a\u0629",
     "ICP, Emirates ID"},
    {"pii.kr_rrn", "d6-d7|!d13", pii::kr_rrn,
     "\uc8fc\ubbfc|\uc8fc\ubbfc\ub4f1\ub85d\ubc88\ud638|rrn|resident registration",
     "Resident Registration Act"},
    {"pii.jp_my_number", "!d12|!d4 d4 d4|!d4-d4-d4", pii::jp_my_number,
     "\u30de\u30a4\u30ca\u30f3\u30d0\u30fc|\u500b\u4eba\u756a\u53f7|my number|mynumber|my_number",
     "Order 85 of 2014, art. 5"},
    {"pii.cn_resident_id", "d18|d17A", pii::cn_resident_id, "", "GB 11643-1999"},
    {"pii.tw_id", "!Ad9", pii::tw_id,
     "\u8eab\u5206\u8b49|\u8eab\u4efd\u8b49|\u7d71\u4e00\u7de8\u865f|taiwan|national id",
     "Household Registration Act"},
    {"pii.hk_hkid", "Ad6(d)|Ad6(A)|A2d6(d)|A2d6(A)|!Ad7|!Ad6A", pii::hk_hkid,
     "hkid|\u8eab\u4efd\u8b49|\u8eab\u5206\u8b49|hong kong id", "Cap. 177A"},
    {"pii.sg_nric", "Ad7A", pii::sg_nric, "", "National Registration Act"},
    {"pii.my_mykad", "d6-d2-d4|!d12", pii::my_mykad, "mykad|nric|ic number|kad pengenalan",
     "JPN, codes of states"},
    {"pii.th_id", "d-d4-d5-d2-d|d d4 d5 d2 d|!d13", pii::th_id,
     "\u0e1a\u0e31\u0e15\u0e23|\u0e1b\u0e23\u0e30\u0e0a\u0e32\u0e0a\u0e19|thai id|citizen id|pin",
     "DOPA, 13 digits"},
    {"pii.id_nik", "!d16", pii::id_nik, "nik|ktp|e-ktp", "Law 24 of 2013"},
};

static_assert(kKinds[kPaymentCard].rule == "pii.payment_card");

bool is_bic(const Parts& parts) {
  return (parts.after.size() == 8 || parts.after.size() == 11) && pii::bic(parts.after);
}

constexpr Run kBic{Alphabet::kUpper, 8, 11};

// ISO 9362.
constexpr Secret kByName[] = {
    {"pii.bic", "bic", {}, kBic, is_bic, Gap::kAssigned},
    {"pii.bic", "swift", {}, kBic, is_bic, Gap::kAssigned},
    {"pii.bic", "swift code", {}, kBic, is_bic, Gap::kAssigned},
    {"pii.bic", "swift_code", {}, kBic, is_bic, Gap::kAssigned},
};

}  // namespace

std::span<const PiiKind> pii_kinds() { return kKinds; }
std::span<const Secret> pii_by_name() { return kByName; }

}  // namespace tollgate::content
