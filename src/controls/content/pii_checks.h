// The checks of the kinds of personal data (pii.cc), one a kind, of its compact form: digits and
// upper-case letters as many as its forms have. Internal to content.
//
// Pure. Linear in the characters. What each is by stands in pii.cc, as `source`.
#pragma once

#include <string_view>

namespace tollgate::content::pii {

using Compact = std::string_view;

bool payment_card(Compact s);
bool imei(Compact s);
bool bic(Compact s);
bool vin(Compact s);

bool us_ssn(Compact s);
bool us_itin(Compact s);
bool us_ein(Compact s);
bool us_npi(Compact s);
bool us_dea(Compact s);
bool us_mbi(Compact s);
bool us_routing(Compact s);
bool us_phone(Compact s);
bool ca_sin(Compact s);
bool mx_curp(Compact s);
bool mx_rfc(Compact s);
bool br_cpf(Compact s);
bool br_cnpj(Compact s);
bool ar_cuit(Compact s);
bool cl_rut(Compact s);
bool co_nit(Compact s);
bool za_id(Compact s);

bool uk_nino(Compact s);
bool uk_nhs(Compact s);
bool uk_utr(Compact s);
bool uk_driving_licence(Compact s);
bool ie_pps(Compact s);
bool es_dni(Compact s);
bool es_nie(Compact s);
bool es_cif(Compact s);
bool it_codice_fiscale(Compact s);
bool it_partita_iva(Compact s);
bool fr_siren(Compact s);
bool fr_siret(Compact s);
bool fr_nir(Compact s);
bool de_steuer_id(Compact s);
bool de_identity_card(Compact s);
bool nl_bsn(Compact s);
bool be_national_number(Compact s);
bool pl_pesel(Compact s);
bool pl_nip(Compact s);
bool pl_regon(Compact s);
bool pt_nif(Compact s);
bool se_personnummer(Compact s);
bool no_fodselsnummer(Compact s);
bool dk_cpr(Compact s);
bool fi_hetu(Compact s);
bool ch_ahv(Compact s);
bool at_svnr(Compact s);
bool cz_rodne_cislo(Compact s);
bool ro_cnp(Compact s);
bool bg_egn(Compact s);
bool gr_amka(Compact s);
bool gr_afm(Compact s);
bool mod_11_10(Compact s);
bool jmbg(Compact s);
bool baltic_code(Compact s);
bool is_kennitala(Compact s);
bool lu_matricule(Compact s);
bool ru_snils(Compact s);
bool ru_inn(Compact s);
bool ua_rnokpp(Compact s);

bool au_tfn(Compact s);
bool au_abn(Compact s);
bool au_medicare(Compact s);
bool nz_ird(Compact s);
bool in_aadhaar(Compact s);
bool in_pan(Compact s);
bool in_gstin(Compact s);
bool tr_tckn(Compact s);
bool il_id(Compact s);
bool sa_id(Compact s);
bool ae_id(Compact s);
bool kr_rrn(Compact s);
bool jp_my_number(Compact s);
bool cn_resident_id(Compact s);
bool tw_id(Compact s);
bool hk_hkid(Compact s);
bool sg_nric(Compact s);
bool my_mykad(Compact s);
bool th_id(Compact s);
bool id_nik(Compact s);

// Of their own form. `text` is the whole run of letters and digits (of MRZ, with <).
bool iban(Compact s);
std::size_t iban_size(Compact country);  // 0: there is none of that country.
bool passport_mrz(std::string_view line);
bool bitcoin_like_address(std::string_view text);
bool ethereum_address(std::string_view text);
// Country code and number, without the +: ITU-T E.164.
bool international_phone(Compact s);

}  // namespace tollgate::content::pii
