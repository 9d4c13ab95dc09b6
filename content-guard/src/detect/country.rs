//! Country tables: IBAN lengths (SWIFT IBAN registry) and assigned telephone country codes (ITU-T
//! E.164). Tokens lean on what is *not* in them: country ZZ and code 999.

/// The length of an IBAN of a country, given in upper case.
pub(super) const fn iban_length(country: [u8; 2]) -> Option<usize> {
    let length = match &country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FK" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"XK" | b"MN" => 20,
        b"CH" | b"CR" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"OM" | b"SO" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BI" | b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HN" | b"HU" | b"LB" | b"NI" | b"PL" | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" | b"YE" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    };
    Some(length)
}

/// The number of digits of the country code at the head of an international number, given as the
/// value of its first three digits.
pub(super) const fn country_code_digits(head: u32) -> Option<usize> {
    match head {
        100..=199 | 700..=799 => Some(1),
        200..=209
        | 270..=279
        | 300..=349
        | 360..=369
        | 390..=419
        | 430..=499
        | 510..=589
        | 600..=669
        | 810..=829
        | 840..=849
        | 860..=869
        | 900..=959
        | 980..=989 => Some(2),
        211..=213
        | 216
        | 218
        | 220..=269
        | 290
        | 291
        | 297..=299
        | 350..=359
        | 370..=383
        | 385..=387
        | 389
        | 420
        | 421
        | 423
        | 500..=509
        | 590..=599
        | 670
        | 672..=683
        | 685..=692
        | 800
        | 808
        | 850
        | 852
        | 853
        | 855
        | 856
        | 870
        | 878
        | 880..=883
        | 886
        | 888
        | 960..=968
        | 970..=977
        | 979
        | 992..=996
        | 998 => Some(3),
        _ => None,
    }
}
